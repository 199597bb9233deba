import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient, Submittable } from "pg";
import {
  aCluster,
  addReport,
  addReports,
  aReport,
  jobs,
  openIssues,
  rows,
  value,
  wishesBecomeJobs,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { disableRule, toggleRule } from "../support/policies.ts";
import { refused } from "../support/sessions.ts";

const database = testDatabase();
const [t1, t2] = ["2026-03-01T01:00:00Z", "2026-03-01T02:00:00Z"];

test("a report that is not JSON is noted in read_errors, and that is all", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, t1, ["disk"]);
    await db.query("delete from decision_due");
    const unreadable = ["", "{", "null null", '{"a":"\\u0000"}', '{"a":"\\ud800"}'];
    await addReports(
      db,
      unreadable.map((hits, i) => ({ cluster, at: `2026-03-01T02:00:0${i}Z`, hits })),
    );
    assert.deepEqual(
      await rows(db, "select org_id, cluster, updated_at, error_text from read_errors order by 3"),
      [
        ...unreadable.map((_, i) => ({
          org_id: "1",
          cluster,
          updated_at: `2026-03-01T02:00:0${i}Z`,
          error_text: "report is not valid JSON",
        })),
      ],
    );
    assert.deepEqual(await openIssues(db, cluster), ["disk|KEY"]);
    assert.equal(await value(db, "select updated_at from latest_report"), t1);
    assert.deepEqual(await rows(db, "select * from decision_due"), []);
  }));

test("an unreadable report does not stop the readable ones of its statement", () =>
  rolledBack(database.pool, async (db) => {
    const [one, other] = [aCluster(), aCluster()];
    await addReports(db, [
      { cluster: one, at: t1, hits: "" },
      { cluster: one, at: t2, hits: ["disk"] },
      { cluster: other, at: t1, hits: "nonsense" },
    ]);
    assert.deepEqual(await openIssues(db, one), ["disk|KEY"]);
    assert.deepEqual(await rows(db, "select cluster from latest_report"), [{ cluster: one }]);
    assert.deepEqual(await rows(db, "select cluster from decision_due"), [{ cluster: one }]);
    assert.equal((await rows(db, "select * from read_errors")).length, 2);
  }));

test("a JSON report of an unexpected shape counts as one without those hits", () =>
  rolledBack(database.pool, async (db) => {
    const long = "x".repeat(256);
    const shapes = [
      "null",
      "17",
      '"text"',
      "[]",
      '[{"reports":[]}]',
      "{}",
      '{"reports":null}',
      '{"reports":{"component":"a","key":"K"}}',
      '{"reports":[1,null,"a",[]]}',
      '{"reports":[{"component":"a"},{"key":"K"},{"component":1,"key":"K"},{"component":"a","key":null}]}',
      '{"reports":[{"component":"","key":"K"},{"component":"a","key":""}]}',
      `{"reports":[{"component":"${long}","key":"K"},{"component":"a","key":"${long}"}]}`,
    ];
    for (const shape of shapes) {
      const cluster = aCluster();
      await addReport(db, cluster, t1, ["disk"]);
      await addReport(db, cluster, t2, shape);
      assert.deepEqual(await openIssues(db, cluster), [], shape.slice(0, 60));
      assert.equal(await value(db, "select updated_at from latest_report where cluster = $1", [cluster]), t2);
    }
    assert.deepEqual(await rows(db, "select * from read_errors"), []);
  }));

test("a broken hit does not hide the others, and the longest names fit", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    const name = "€".repeat(255);
    const hits = [
      { component: 1 },
      { component: "a.disk.report", key: "KEY" },
      { component: name, key: name },
    ];
    await addReport(db, cluster, t1, JSON.stringify({ reports: hits }));
    assert.deepEqual(await openIssues(db, cluster), ["disk|KEY", `${name}|${name}`]);
  }));

test("a plain insert counts as a report, with the defaults for what it does not say", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await db.query("insert into new_reports (org_id, cluster, report, updated_at) values (5, $1, $2, $3)", [
      cluster,
      aReport("disk"),
      t1,
    ]);
    assert.deepEqual(await openIssues(db, cluster), ["disk|KEY"]);
    const [latest] = await rows(
      db,
      "select org_id, account_number, received_at = now() as just_now from latest_report",
    );
    assert.deepEqual(latest, { org_id: "5", account_number: "0", just_now: true });
  }));

test("reports that another program copies in count as well", () =>
  rolledBack(database.pool, async (db) => {
    const clusters = [aCluster(), aCluster()];
    const lines = clusters.map((cluster) => `1\t0\t${cluster}\t${aReport("disk")}\t${t1}\n`);
    await copyIn(
      db,
      "copy new_reports (org_id, account_number, cluster, report, updated_at) from stdin",
      lines,
    );
    for (const cluster of clusters) assert.deepEqual(await openIssues(db, cluster), ["disk|KEY"]);
  }));

test("a report puts its cluster up for a decision and wakes the decider", () =>
  rolledBack(database.pool, async (db) => {
    const [sick, healthy] = [aCluster(), aCluster()];
    await addReport(db, sick, t1, ["disk"]);
    await addReport(db, healthy, t1, []);
    assert.deepEqual(
      await rows(
        db,
        "select org_id, cluster, by_report, due_at = now() as just_now from decision_due order by 2",
      ),
      [sick, healthy].map((cluster) => ({ org_id: "1", cluster, by_report: true, just_now: true })),
    );
    assert.deepEqual(Object.keys(await jobs(db)), ["decide"]);
    await db.query(wishesBecomeJobs);
    assert.equal(await value(db, "select count(*)::integer from graphile_worker.jobs"), 1);
  }));

test("a cluster that was to be asked again has a new report now, and keeps its place", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await db.query("insert into decision_due (org_id, cluster, due_at) values (1, $1, $2)", [cluster, t1]);
    await addReport(db, cluster, t2, ["disk"]);
    assert.deepEqual(await rows(db, "select by_report, due_at from decision_due"), [
      { by_report: true, due_at: t1 },
    ]);
  }));

test("a statement that inserts nothing does nothing", () =>
  rolledBack(database.pool, async (db) => {
    await db.query(
      "insert into new_reports (org_id, cluster, report, updated_at) select 1, 'x', '', now() where false",
    );
    await db.query("update new_reports set report = '{}' where false");
    assert.deepEqual(await jobs(db), {});
  }));

/** `copy … from stdin`, for which pg has the messages but no method. */
function copyIn(db: PoolClient, sql: string, lines: string[]): Promise<void> {
  type Wire = { query(sql: string): void; sendCopyFromChunk(chunk: Buffer): void; endCopyFrom(): void };
  return new Promise((resolve, reject) => {
    const submittable = {
      submit: (wire: Wire) => wire.query(sql),
      handleCopyInResponse(wire: Wire) {
        for (const line of lines) wire.sendCopyFromChunk(Buffer.from(line));
        wire.endCopyFrom();
      },
      handleCommandComplete() {},
      handleReadyForQuery: () => resolve(),
      handleError: reject,
    };
    db.query(submittable as unknown as Submittable);
  });
}

test("a program needs no privilege but INSERT (or what it does) on the tables that it writes", async () => {
  const role = `ccx_writer_${process.pid}`;
  const client = await database.pool.connect();
  const cluster = aCluster();
  try {
    await client.query(`create role ${role};
      grant usage on schema public to ${role};
      grant insert on new_reports to ${role};
      grant select, insert, update, delete, truncate on rule_disable, cluster_rule_toggle to ${role}`);
    // committed, so that what fires at the commit does so with the rights of this role, too
    await client.query(`set role ${role}; begin`);
    await addReport(client, cluster, t1, ["disk"]);
    await disableRule(client, 1, "disk", "KEY");
    await toggleRule(client, cluster, "disk", "KEY");
    await client.query("update cluster_rule_toggle set disabled = 0");
    await client.query("delete from rule_disable; truncate cluster_rule_toggle; truncate rule_disable");
    await client.query("commit; reset role");
    assert.deepEqual(await openIssues(client, cluster), ["disk|KEY"]);
    assert.equal(await value(client, "select count(*)::integer from acknowledgement"), 2);
    assert.ok("decide" in (await jobs(client)));
  } finally {
    await client.query("rollback; reset role");
    await client.query(`drop owned by ${role}; drop role ${role}`);
    client.release(true);
  }
});

test("a report of a time that is ahead is noted, one of an infinite time is refused, and neither freezes anything", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    const insert = (when: string, hit: string) =>
      db.query(`insert into new_reports (org_id, cluster, report, updated_at) values (1, $1, $2, ${when})`, [
        cluster,
        aReport(hit),
      ]);
    for (const when of ["'infinity'", "'-infinity'"]) await refused(db, "23514", () => insert(when, "disk"));
    for (const when of ["'2999-01-01'", "now() + interval '301 seconds'"]) await insert(when, "disk");
    assert.deepEqual(await openIssues(db, cluster), []);
    assert.deepEqual(
      await rows(db, "select distinct error_text from read_errors where cluster = $1", [cluster]),
      [{ error_text: "report is of a time that is still to come" }],
    );
    for (const when of ["'1990-01-01'", "now()", "now() + interval '4 minutes'"]) await insert(when, "net");
    assert.deepEqual(await openIssues(db, cluster), ["net|KEY"]);
    assert.deepEqual(await rows(db, "select * from drift"), []);
    await refused(db, "23514", () =>
      db.query("select ccx.store_reports($1::jsonb, 0, now())", [
        JSON.stringify([
          { kafka_offset: 1, org_id: 1, account_number: 0, cluster, updated_at: "2999-02-01", report: "{}" },
        ]),
      ]),
    );
    await db.query("delete from new_reports where updated_at < '1991-01-01'");
  }));

test("a report that arrived in the future has arrived now", () =>
  rolledBack(database.pool, async (db) => {
    for (const ahead of ["1 second", "1 hour", "25 hours", "1000 years"]) {
      const cluster = aCluster();
      await db.query(
        `insert into new_reports (org_id, cluster, report, updated_at, received_at)
         values (1, $1, $2, now() - interval '1 hour', now() + $3::interval)`,
        [cluster, aReport("disk"), ahead],
      );
      assert.deepEqual(
        await rows(
          db,
          `select r.received_at = now() as row, l.received_at = now() as latest,
             o.known_from between now() and clock_timestamp() as known, i.occurrence
           from new_reports r join latest_report l using (org_id, cluster) join issue i using (org_id, cluster)
           join occurrence o on o.issue_id = i.id where cluster = $1`,
          [cluster],
        ),
        [{ row: true, latest: true, known: true, occurrence: 1 }],
        ahead,
      );
    }
    assert.deepEqual(await rows(db, "select * from drift"), []);
  }));

test("a cluster belongs to the organization of its newest report only", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    const open = () =>
      rows(
        db,
        `select i.org_id::integer as org, i.closed_at is null as open, moved_to::integer from issue i
         join latest_report using (org_id, cluster) where cluster = $1 order by 1`,
        [cluster],
      );
    const report = (org: number, at: string, hits = ["disk"]) => addReports(db, [{ cluster, at, hits, org }]);
    const agrees = async () => assert.deepEqual(await rows(db, "select * from drift"), []);
    await report(1, t1);
    await report(2, t2);
    assert.deepEqual(await open(), [
      { org: 1, open: false, moved_to: 2 },
      { org: 2, open: true, moved_to: null },
    ]);
    await agrees();
    // one that comes late changes nothing
    await report(1, "2026-03-01T01:30:00Z", ["disk"]);
    await report(3, "2026-03-01T01:40:00Z", ["disk"]);
    assert.deepEqual(await open(), [
      { org: 1, open: false, moved_to: 2 },
      { org: 2, open: true, moved_to: null },
      { org: 3, open: false, moved_to: 2 },
    ]);
    await agrees();
    await report(1, "2026-03-01T03:00:00Z");
    await report(1, "2026-03-01T03:10:00Z");
    assert.deepEqual(await open(), [
      { org: 1, open: true, moved_to: null },
      { org: 2, open: false, moved_to: 1 },
      { org: 3, open: false, moved_to: 1 },
    ]);
    await agrees();
    // all in one statement
    const other = aCluster();
    await addReports(
      db,
      [1, 2, 1].map((org, nth) => ({
        cluster: other,
        at: `2026-03-01T0${nth + 1}:00:00Z`,
        hits: ["disk"],
        org,
      })),
    );
    assert.deepEqual(
      await rows(db, "select org_id::integer as org from issue where cluster = $1 and closed_at is null", [
        other,
      ]),
      [{ org: 1 }],
    );
    await agrees();
  }));

test("by hand no report gets another key, and no cluster loses its newest one alone", () =>
  rolledBack(database.pool, async (db) => {
    const [cluster, other] = [aCluster(), aCluster()];
    await addReports(db, [
      { cluster, at: t1, hits: ["disk"] },
      { cluster, at: t2, hits: ["net"] },
      { cluster: other, at: t2, hits: ["cpu"] },
    ]);
    const refuses = async (code: string, sql: string) => {
      await db.query("savepoint before");
      await assert.rejects(db.query(sql), { code }, sql);
      await db.query("rollback to before");
    };
    for (const change of [
      "updated_at = updated_at + interval '1 second'",
      "updated_at = updated_at - interval '1 day'",
      "cluster = 'another'",
      "org_id = 7",
    ])
      await refuses("NTI03", `update new_reports set ${change} where updated_at = '${t2}'`);
    await refuses("NTI04", `delete from new_reports where updated_at = '${t2}'`);
    await db.query("update new_reports set updated_at = updated_at, cluster = cluster, org_id = org_id");
    await db.query("delete from new_reports where cluster = $1", [other]);
    await db.query("delete from new_reports where updated_at = $1", [t1]);
    assert.deepEqual(await rows(db, "select * from drift"), []);
  }));

test("a cluster in upper case is the one in lower case, whoever writes", () =>
  rolledBack(database.pool, async (db) => {
    const written = "ABCDEF00-0000-4000-8000-00000000000A";
    await toggleRule(db, written, "net", "KEY");
    for (const cluster of [written, "aBCDEF00-0000-4000-8000-00000000000a"])
      await db.query(
        `insert into new_reports (org_id, cluster, report, updated_at) values (1, $1, $2, $3)
         on conflict (org_id, cluster, updated_at) do update set report = excluded.report`,
        [cluster, aReport("net", "disk"), t1],
      );
    assert.deepEqual(await rows(db, "select cluster from latest_report where cluster ilike 'abc%'"), [
      { cluster: written.toLowerCase() },
    ]);
    assert.deepEqual(
      await rows(
        db,
        `select component ~ 'net' as net, 'disabled' = any (reasons) as disabled from decide(1, clock_timestamp())
         where cluster = lower($1) order by 1`,
        [written],
      ),
      [
        { net: false, disabled: false },
        { net: true, disabled: true },
      ],
    );
  }));
