import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { sampleContent } from "../../dev/samples/content.ts";
import { loadContent as loadSamples } from "../../src/content/source/load.ts";
import {
  aCluster,
  addReport,
  addReports,
  claimOne,
  decideDue,
  delivered,
  loadContent,
  reportAndDecide,
  rows,
  settle,
  value,
} from "../support/builders.ts";
import { runCcx } from "../support/command.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();
/** What the command does in it stays. */
const elsewhere = testDatabase();
const at = "2026-03-09T12:00:00Z";

/** Tables with a column that names an organization or a cluster, and are no such place; each with its reason. */
const noPlaces = new Map([
  ["doubtful_text", "its example is removed, its count is of all organizations"],
  ["rule_failure", "goes with its analysis"],
  ["archive_document", "goes with its kept archive"],
]);

test("every table that belongs to an organization or a cluster is among those that forget() empties", async () => {
  const named = await rows(
    database.pool,
    `select distinct c.relname as name
     from pg_class c
     join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.relkind in ('r', 'p') and not c.relispartition
       and c.relnamespace in ('public'::regnamespace, 'ccx'::regnamespace)
       and a.attname in ('org_id', 'cluster', 'cluster_id', 'issue_id', 'organization', 'example_cluster')
     order by 1`,
  );
  const listed = await rows(database.pool, "select name from ccx.cluster_table");
  const places = new Set(listed.map(({ name }) => String(name).replace(/_(default|\d{8})$/, "")));
  assert.deepEqual(
    named.map(({ name }) => String(name)).filter((name) => !places.has(name) && !noPlaces.has(name)),
    [],
  );
});

/** Puts a row about this cluster into every place, by the ways of the product or by hand. */
async function fill(db: PoolClient, org: number, cluster: string): Promise<void> {
  await db.query("select ensure_partition('new_reports', '2026-03-09')");
  await addReports(db, [{ org, cluster, at, hits: ["disk"] }]);
  await decideDue(db, at);
  const id = (await value(db, "select max(id) from notification where cluster = $1", [cluster])) as string;
  await db.query("update notification set state = 'sent', ended_at = $2 where id = $1", [id, at]);
  const issue = (await value(db, "select id from issue where cluster = $1 limit 1", [cluster])) as string;
  const both = [org, cluster];
  await db.query("insert into decision_due (org_id, cluster, by_report) values ($1, $2, false)", both);
  await db.query(
    "insert into reported_elsewhere (org_id, cluster, notified_at, target_id) values ($1, upper($2), now(), 1)",
    both,
  );
  await db.query(
    `insert into read_errors (org_id, cluster, updated_at, error_text, created_at)
     values ($1, $2, now(), 'broken', now())`,
    both,
  );
  await db.query(
    `insert into rejected_message (topic, partition, kafka_offset, reason, detail, org_id, cluster)
     values ('results', 0, $1, 'not_json', 'it is not', $1, $2)`,
    both,
  );
  await db.query(
    "select add_silence(ends_at => now() + '1 day', reason => 'for the test', org_id => $1, cluster => $2)",
    both,
  );
  await db.query("select acknowledge(rule => 'disk', org_id => $1, cluster => $2)", both);
  await db.query(
    "insert into cluster_registry (cluster, org_id, display_name) values ($2, $1, 'mine')",
    both,
  );
  await db.query(
    `insert into workload_report (cluster, org_id, updated_at, received_at, recommendations)
     values ($2, $1, now(), now(), '[]')`,
    both,
  );
  await db.query(
    `insert into workload_namespace (cluster, namespace_id, org_id, name, reported_at, recommendations, objects, hits)
     values ($2, 'n', $1, 'shop', now(), 1, 1, '[]')`,
    both,
  );
  assert.notEqual(issue, undefined);
}

/** How many rows of which place belong to this organization. */
const left = async (db: PoolClient, org: number, cluster: string | null = null) =>
  (await rows(db, "select name from preview_forget($1, $2)", [org, cluster])).map(({ name }) =>
    String(name).replace(/_(default|\d{8})$/, ""),
  );

test("a cluster goes from every table, and nothing of another one", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    const [gone, kept] = [aCluster(), aCluster()];
    await fill(db, 21, gone);
    await fill(db, 21, kept);
    const before = await rows(db, "select * from preview_forget(21, $1)", [kept]);
    const preview = await rows(db, "select * from preview_forget(21, $1)", [gone]);
    assert.ok(preview.length >= 12, JSON.stringify(preview));
    const forgotten = await rows(db, "select * from forget(cluster => $1)", [gone]);
    // a toggle that goes ends an acknowledgement, which is noted and asks for decisions
    const inWords = (all: typeof preview) =>
      all
        .filter(({ name }) => name !== "acknowledged_rule" && name !== "decision_request")
        .map((row) => `${row.name} ${row.row_count}`)
        .sort();
    assert.deepEqual(inWords(forgotten), inWords(preview));
    assert.deepEqual(await left(db, 21, gone), []);
    assert.deepEqual(await rows(db, "select * from forget(cluster => $1)", [gone]), []);
    assert.deepEqual(await rows(db, "select * from preview_forget(21, $1)", [kept]), before);
    assert.deepEqual(await rows(db, "select * from drift"), []);
  }));

test("an organization goes with its clusters, policies and tokens, and another one stays", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    const [first, second, other] = [aCluster(), aCluster(), aCluster()];
    await fill(db, 21, first);
    await fill(db, 21, second);
    await fill(db, 22, other);
    await db.query(
      `select set_policy('notifications backend', '{"cooldown": "2 days"}', 'for the test', org_id => 21)`,
    );
    await db.query("insert into organization_reader (reader, org_id) values ('somebody', 21)");
    const others = await rows(db, "select * from preview_forget(22)");
    let steps = 0;
    for (let gone = 1; gone > 0; steps++) {
      gone = (await rows(db, "select * from forget(21)")).length;
      assert.ok(steps < 20, "it does not end");
    }
    assert.deepEqual(await left(db, 21), []);
    assert.deepEqual(await rows(db, "select * from preview_forget(22)"), others);
    assert.deepEqual(await rows(db, "select * from drift"), []);
  }));

test("a cluster that is forgotten and reports again is a new one", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    const cluster = aCluster();
    assert.equal((await reportAndDecide(db, cluster, at, ["disk"])).notifications, 1);
    await settle(db, [delivered(await claimOne(db, at))], at);
    await db.query("select * from forget(cluster => $1)", [cluster]);
    assert.equal((await reportAndDecide(db, cluster, "2026-03-09T13:00:00Z", ["disk"])).notifications, 1);
  }));

test("the content of its archives is removed by the task that has the store, and the row with it", () =>
  rolledBack(database.pool, async (db) => {
    const archive = (request: string, org: number) =>
      value(
        db,
        `insert into archive (request_id, org_id, principal, cluster, service, category, content_type, size,
           sha256, store, object_key, b64_identity, received_at)
         values ($1, $2, 'p', 'c', 'openshift', 'periodic', 't', 1, sha256('x'), 'folder', $1, 'i', now())
         returning archive_id`,
        [request, org],
      );
    const [mine, others] = [await archive("a", 21), await archive("b", 22)];
    await db.query(
      `insert into upload_message (request_id, archive_id, kind, org_id, service, due_at)
       values ('a', $1, 'announcement', 21, 'openshift', now())`,
      [mine],
    );
    const counted = await rows(db, "select * from preview_forget(21)");
    assert.deepEqual(counted, [
      { name: "upload_message", row_count: "1" },
      { name: "archive", row_count: "1" },
    ]);
    assert.deepEqual(
      (await rows(db, "select * from forget(21)")).toSorted((a, b) =>
        String(a.name) < String(b.name) ? 1 : -1,
      ),
      counted,
    );
    assert.deepEqual(await rows(db, "select * from upload_message where org_id = 21"), []);
    const due = await rows(db, "select archive_id from ccx.archives_to_remove('folder', 10)");
    assert.deepEqual(due, [{ archive_id: mine }]);
    assert.equal(await value(db, "select ccx.note_removed(array[$1::bigint])", [mine]), 1);
    assert.deepEqual(await rows(db, "select archive_id from archive"), [{ archive_id: others }]);
    assert.deepEqual(await rows(db, "select * from preview_forget(21)"), []);
  }));

test("an empty name of a cluster is no cluster, when rows are counted as when they go", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    await fill(db, 21, aCluster());
    const all = await rows(db, "select * from preview_forget(21)");
    assert.ok(all.length >= 12, JSON.stringify(all));
    assert.deepEqual(await rows(db, "select * from preview_forget(21, '')"), all);
    for (const name of ["preview_forget", "forget"])
      for (const cluster of ["", null])
        await assert.rejects(rows(database.pool, `select * from ${name}(null, $1)`, [cluster]), {
          code: "NTR05",
        });
    while ((await rows(db, "select * from forget(21, '')")).length > 0);
    assert.deepEqual(await rows(db, "select * from preview_forget(21)"), []);
  }));

test("retention forgets a cluster that stopped reporting, but not what people made about it", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    const cluster = aCluster();
    await fill(db, 21, cluster);
    await db.query("delete from decision_due");
    const retain = async (when: string) => {
      const done: string[] = [];
      for (;;) {
        const [step] = await rows(db, "select * from retain($1)", [when]);
        if (!step) return done.filter((text) => text.startsWith("latest_report"));
        done.push(`${step.name} ${step.row_count}`);
      }
    };
    await db.query("update latest_report set received_at = updated_at");
    assert.deepEqual(await retain("2026-06-07T23:59:59Z"), []);
    assert.equal(
      await value(
        db,
        "select count(*)::integer from preview_retention('2026-06-09') where name = 'latest_report'",
      ),
      1,
    );
    assert.deepEqual(await retain("2026-06-09T00:00:00Z"), ["latest_report 1"]);
    assert.deepEqual(await left(db, 21), [
      "cluster_rule_toggle",
      "acknowledgement",
      "silence",
      "cluster_registry",
    ]);
    assert.deepEqual(await rows(db, "select * from drift"), []);
  }));

test("ccx forget asks, shows and removes", async () => {
  await loadSamples(elsewhere.pool, sampleContent);
  const cluster = aCluster();
  await addReport(elsewhere.pool, cluster, new Date().toISOString(), ["disk"]);
  const ccx = (...args: string[]) => runCcx(["forget", ...args], { DATABASE_URL: elsewhere.url });
  assert.equal((await ccx()).stderr, "ccx: Give --org, --cluster, or both.\n");
  assert.equal((await ccx("--org", "x1")).code, 1);
  const shown = await ccx("--cluster", cluster.toUpperCase(), "--dry-run");
  assert.match(shown.stdout, /^issue +1$/m);
  const asked = await ccx("--cluster", cluster);
  assert.equal(asked.code, 1);
  assert.match(asked.stderr, /^ccx: Nothing was deleted\. --yes says that it is meant\.$/m);
  const done = await ccx("--cluster", cluster, "--yes", "--json");
  assert.equal(done.code, 0);
  assert.deepEqual(
    JSON.parse(done.stdout).find(({ name }: { name: string }) => name === "issue"),
    { name: "issue", row_count: 1 },
  );
  assert.deepEqual([(await ccx("--cluster", cluster, "--yes")).code], [3]);
});
