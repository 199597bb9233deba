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
