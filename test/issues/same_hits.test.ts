import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { below, type Random, seeded } from "../../dev/samples/random.ts";
import { hitsHash } from "../../src/ingest/hits_hash.ts";
import {
  aCluster,
  addReport,
  addReports,
  aMessage,
  aReport,
  type Db,
  ingest,
  openIssues,
  replaceReport,
  rows,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();
const [t1, t2, t3, t4] = [1, 2, 3, 4].map((hour) => `2026-03-01T0${hour}:00:00Z`) as [
  string,
  string,
  string,
  string,
];

const isSame = (db: Db, cluster: string, org = 1) =>
  value(db, "select has_same_hits from latest_report where cluster = $1 and org_id = $2", [cluster, org]);
const drift = (db: Db) => rows(db, "select * from drift");

test("a report with the hits of the one before it is passed over, whatever its details and their order", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    const hit = (rule: string, details: object) => ({ component: `a.${rule}.report`, key: "KEY", details });
    await addReport(db, cluster, t1, JSON.stringify({ reports: [hit("disk", {}), hit("net", { n: 1 })] }));
    assert.equal(await isSame(db, cluster), false, "the first one is read");
    const same = [hit("net", { n: 2 }), hit("disk", {}), hit("net", {}), { component: "no hit" }];
    await addReport(db, cluster, t2, JSON.stringify({ reports: same }));
    assert.equal(await isSame(db, cluster), true);
    assert.equal(await value(db, "select updated_at from latest_report"), t2);
    assert.deepEqual(await rows(db, "select by_report from decision_due"), [{ by_report: true }]);
    await addReport(db, cluster, t3, JSON.stringify({ reports: [hit("disk", {})] }));
    assert.equal(await isSame(db, cluster), false);
    assert.deepEqual(await openIssues(db, cluster), ["disk|KEY"]);
    assert.deepEqual(await drift(db), []);
  }));

test("of what is passed over nothing is read: an issue that somebody closed by hand stays as it is", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, t1, ["disk"]);
    await db.query(`update issue set closed_at = '${t1}'`);
    await addReport(db, cluster, t2, ["disk"]);
    assert.deepEqual(await openIssues(db, cluster), []);
    // what whoever mended something by hand does
    await db.query("update latest_report set hits_hash = null");
    await addReport(db, cluster, t3, ["disk"]);
    assert.deepEqual(await openIssues(db, cluster), ["disk|KEY"]);
  }));

test("two reports of one statement are passed over only where both have the hits known before", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, t1, ["disk"]);
    await addReports(db, [
      { cluster, at: t2, hits: ["net"] },
      { cluster, at: t3, hits: ["disk"] },
    ]);
    assert.deepEqual(
      await rows(
        db,
        `select r.rule_name as rule, o.occurrence as nth, o.opened_at as opened, o.closed_at as closed
         from occurrence o join issue i on i.id = o.issue_id join rule r on r.id = i.rule_id order by 1, 2`,
      ),
      [
        { rule: "disk", nth: 1, opened: t1, closed: t2 },
        { rule: "disk", nth: 2, opened: t3, closed: null },
        { rule: "net", nth: 1, opened: t2, closed: t3 },
      ],
    );
  }));

test("a stale report and a repeated one leave hash and issues as they are", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await ingest(db, [aMessage(0, cluster, t2, ["disk"])], { at: t4 });
    const before = await rows(db, "select * from latest_report");
    await addReport(db, cluster, t1, ["net"]);
    await ingest(db, [aMessage(1, cluster, t2, ["disk"])], { at: t4 });
    assert.deepEqual(await rows(db, "select * from latest_report"), before);
    await addReport(db, cluster, t3, ["disk"]);
    assert.equal(await isSame(db, cluster), true, "the stale one is not the one before it");
    assert.deepEqual(await openIssues(db, cluster), ["disk|KEY"]);
  }));

test("a replaced report has a hash of its own", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, t1, ["disk"]);
    await replaceReport(db, cluster, t1, ["net"]);
    assert.equal(await isSame(db, cluster), false);
    assert.deepEqual(await openIssues(db, cluster), ["net|KEY"]);
    await addReport(db, cluster, t2, ["disk"]);
    assert.deepEqual(await openIssues(db, cluster), ["disk|KEY"]);
  }));

test("a cluster that was with another organization is read again, also a late report of who lost it", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    const openOf = (org: number) =>
      value(db, "select count(*)::integer from issue where org_id = $1 and closed_at is null", [org]);
    await addReport(db, cluster, t1, ["disk"]);
    await addReports(db, [{ cluster, org: 2, at: t3, hits: ["disk"] }]);
    assert.deepEqual([await openOf(1), await openOf(2)], [0, 1]);
    // newer than what this organization had, older than what the other one has
    await addReport(db, cluster, t2, ["disk"]);
    assert.equal(await isSame(db, cluster), false);
    assert.deepEqual([await openOf(1), await openOf(2)], [0, 1]);
    await addReport(db, cluster, t4, ["disk"]);
    assert.deepEqual([await openOf(1), await openOf(2)], [1, 0], "it is back");
    assert.deepEqual(await drift(db), []);
    await addReport(db, cluster, "2026-03-01T05:00:00Z", ["disk"]);
    assert.equal(await isSame(db, cluster), true);
  }));

test("a report of the loser that is passed over and the first of the new owner, in one statement", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, t1, ["disk"]);
    await addReports(db, [
      { cluster, at: t2, hits: ["disk"] },
      { cluster, org: 2, at: t3, hits: ["disk"] },
    ]);
    assert.deepEqual(
      await rows(db, "select org_id, opened_at, closed_at, occurrence from issue order by org_id"),
      [
        { org_id: "1", opened_at: t1, closed_at: t3, occurrence: 1 },
        { org_id: "2", opened_at: t3, closed_at: null, occurrence: 1 },
      ],
    );
    assert.deepEqual(await drift(db), []);
  }));

test("what was forgotten is read again", () =>
  rolledBack(database.pool, async (db) => {
    const [set, gone, retired] = [aCluster(), aCluster(), aCluster()];
    const all = [set, gone, retired];
    await addReports(
      db,
      all.map((cluster) => ({ cluster, at: t1, hits: ["disk"] })),
    );
    await db.query("delete from decision_due");
    await db.query("select ccx.forget_clusters(array[$1])", [set]);
    await db.query("select * from forget(1, $1)", [gone]);
    await db.query("update latest_report set received_at = updated_at");
    assert.equal(await value(db, "select ccx.retire_clusters($1, $2)", [t4, t4]), "1");
    await addReports(
      db,
      all.map((cluster) => ({ cluster, at: t3, hits: ["disk"] })),
    );
    for (const cluster of all) assert.deepEqual(await openIssues(db, cluster), ["disk|KEY"]);
    assert.deepEqual(await drift(db), []);
  }));

test("a rename, and its end, make every report be read once", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, t1, ["disk"]);
    await db.query("select * from rename_rule('disk', 'full_disk')");
    await addReport(db, cluster, t2, ["disk"]);
    assert.equal(await isSame(db, cluster), false);
    assert.deepEqual(await openIssues(db, cluster), ["full_disk|KEY"]);
    await addReport(db, cluster, t3, ["disk"]);
    assert.equal(await isSame(db, cluster), true);
    // the old name is that of a rule of its own again (load_content())
    await db.query("update renamed_rule set ended_at = now()");
    await addReport(db, cluster, t4, ["disk"]);
    assert.deepEqual(await openIssues(db, cluster), ["disk|KEY"]);
    assert.deepEqual(await drift(db), []);
  }));

test("a rename between two reports of the same old name, ended before the second, is seen as well", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, t1, ["disk"]);
    await db.query("select * from rename_rule('disk', 'full_disk')");
    await db.query("update renamed_rule set ended_at = now()");
    await addReport(db, cluster, t2, ["disk"]);
    assert.deepEqual(await openIssues(db, cluster), ["disk|KEY"]);
  }));

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const histories = 8;
const names = ["a", "b", "c"];

type Given = { org: number; cluster: string; at: string; hits: string[] };
type Step = { forget?: string; rename?: [string, string]; end?: boolean; reports: Given[] };

/** Three clusters, which two organizations report; most reports say what the one before them said. */
function aHistory(random: Random): Step[] {
  const hits = new Map<string, string[]>();
  return Array.from({ length: 25 }, (_, step) => {
    const reports = new Map<string, Given>();
    for (let n = 1 + below(random, 4); n > 0; n--) {
      const cluster = `cluster-${below(random, 3)}`;
      const org = below(random, 6) === 0 ? 2 : 1;
      if (below(random, 3) === 0)
        hits.set(
          cluster,
          names.filter(() => below(random, 2) === 0),
        );
      const minute = Math.max(0, step - (below(random, 5) === 0 ? below(random, 6) : 0));
      // no two reports are of one time
      const at = `2026-03-01T01:${String(minute).padStart(2, "0")}:${String(step).padStart(2, "0")}.${n}Z`;
      reports.set(`${org} ${cluster} ${at}`, { org, cluster, at, hits: hits.get(cluster) ?? [] });
    }
    const chance = below(random, 12);
    return {
      reports: [...reports.values()],
      ...(chance === 0 && { forget: `cluster-${below(random, 3)}` }),
      ...(chance === 1 && { rename: [names[below(random, 3)], `new_${step}`] as [string, string] }),
      ...(chance === 2 && { end: true }),
    };
  });
}

type Way = (db: PoolClient, reports: Given[], step: number) => Promise<unknown>;

const plainly: Way = (db, reports) => addReports(db, reports);

/** Nothing is passed over: as if every report were the first that is known. */
const readingAll: Way = async (db, reports) => {
  await db.query("update latest_report set hits_hash = null");
  await addReports(db, reports);
};

const throughIngest: Way = (db, reports, step) => {
  const batch = reports.map(({ org, cluster, at, hits }, n) => ({
    ...aMessage(100 * step + n, cluster, at, hits, { org_id: org }),
    hits_hash: hitsHash(JSON.parse(aReport(...hits)).reports),
  }));
  return ingest(db, batch, { at: t4 });
};

/** What is known after a history; not when it became known, which is a matter of who wrote. */
const after = (history: Step[], write: Way) =>
  rolledBack(database.pool, async (db) => {
    let passedOver = 0;
    for (const [step, { forget, rename, end, reports }] of history.entries()) {
      if (forget) await db.query("select ccx.forget_clusters(array[$1])", [forget]);
      if (rename)
        await db.query(
          "select r.* from rule u cross join lateral rename_rule(u.rule_name, $2) r where u.rule_name = $1",
          rename,
        );
      if (end) await db.query("update renamed_rule set ended_at = coalesce(ended_at, now())");
      await write(db, reports, step);
      passedOver += Number(await value(db, "select count(*) from latest_report where has_same_hits"));
    }
    return {
      passedOver,
      known: [
        await rows(
          db,
          `select i.cluster, i.org_id, r.component, i.first_seen, i.opened_at, i.closed_at is null as open, i.occurrence
           from issue i join rule r on r.id = i.rule_id order by 1, 2, 3`,
        ),
        await rows(
          db,
          `select i.cluster, i.org_id, r.component, o.occurrence, o.opened_at, o.closed_at is null as open
           from occurrence o join issue i on i.id = o.issue_id join rule r on r.id = i.rule_id order by 1, 2, 3, 4`,
        ),
        await rows(
          db,
          "select cluster, org_id, updated_at, previous_at, left_at, moved_to from latest_report order by 1, 2",
        ),
        await rows(db, "select cluster, org_id from decision_due order by 1, 2"),
      ],
    };
  });

test(`what is passed over changes nothing, by whichever way reports come (SEED=${seed})`, async () => {
  const random = seeded(seed);
  let passedOver = 0;
  for (let n = 0; n < histories; n++) {
    const history = aHistory(random);
    const all = await after(history, readingAll);
    const plain = await after(history, plainly);
    assert.deepEqual(plain.known, all.known, `history ${n} of SEED=${seed}, plain inserts`);
    const ingested = await after(history, throughIngest);
    assert.deepEqual(ingested.known, all.known, `history ${n} of SEED=${seed}, ingest()`);
    assert.equal(all.passedOver, 0);
    passedOver += plain.passedOver;
  }
  assert.ok(passedOver > 5 * histories, `${passedOver} times something was passed over`);
});
