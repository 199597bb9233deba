import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  addReports,
  type Claimed,
  claim,
  decideDue,
  delivered,
  loadContent,
  type Row,
  rows,
  settle,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { setScopedPolicy } from "../support/policies.ts";

const database = testDatabase();
let cluster = "";
beforeEach(() => {
  cluster = aCluster();
});

/** An hour of 1 March 2026. */
const at = (hour: number) => `2026-03-01T${String(hour).padStart(2, "0")}:00:00Z`;

/** The text of a report with these hits: the details by the name of the rule. */
const reportOf = (details: Record<string, unknown>) =>
  JSON.stringify({
    reports: Object.entries(details).map(([rule, of]) => ({
      component: `a.${rule}.report`,
      key: "KEY",
      details: of,
    })),
  });

/** Stores reports with these texts at hours of the day, in this order. */
const arrive = (db: PoolClient, ...reports: [hour: number, text: string, arrived?: number][]) =>
  addReports(
    db,
    reports.map(([hour, hits, arrived = hour]) => ({ cluster, at: at(hour), arrived: at(arrived), hits })),
  );

const replace = (db: PoolClient, hour: number, report: string) =>
  db.query("update new_reports set report = $3 where cluster = $1 and updated_at = $2", [
    cluster,
    at(hour),
    report,
  ]);

/** The details in the messages that are due, a list for each message. */
async function claimedDetails(db: PoolClient, hour: number): Promise<unknown[][]> {
  const claimed: Row[] = [];
  // those about a cluster one after the other
  for (let next = await claim(db, at(hour)); next.length > 0; next = await claim(db, at(hour))) {
    claimed.push(...next);
    await settle(
      db,
      next.map((row) => delivered(row as Claimed)),
      at(hour),
    );
  }
  return claimed.map(({ issues }) => (issues as Row[]).map(({ details }) => details));
}

const inTransaction = (work: (db: PoolClient) => Promise<void>) =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk", "net"]);
    await setScopedPolicy(
      db,
      {},
      { notify_resolved: true, receiver_knows_resolved: true, decide_again_after: "1 year" },
      "2026-02-01",
    );
    await work(db);
  });

test("a number that a double cannot hold is claimed with the digits of the report", () =>
  inTransaction(async (db) => {
    const report = reportOf({ disk: { uid: "N" } }).replace('"N"', "12345678901234567890");
    await arrive(db, [1, report]);
    await decideDue(db, at(1));
    assert.deepEqual(await claimedDetails(db, 2), [[{ uid: "12345678901234567890" }]]);
  }));

test("details are those of the report that was decided on, whatever came after", () =>
  inTransaction(async (db) => {
    await arrive(db, [0, reportOf({ disk: "earlier" })], [1, reportOf({ disk: { n: 1 }, net: null })]);
    await decideDue(db, at(1));
    await arrive(db, [2, reportOf({ disk: "later" })]);
    assert.deepEqual(await claimedDetails(db, 2), [[{ n: 1 }, null]]);
  }));

test("details are those of the rule and the error key; of several hits the first counts", () =>
  inTransaction(async (db) => {
    const hit = { component: "a.disk.report", key: "KEY", details: "this" };
    const others = [
      { ...hit, key: "OTHER" },
      { ...hit, component: "b.disk.report" },
    ].map((other) => ({ ...other, details: "other" }));
    const reports = [...others, null, "text", hit, { ...hit, details: "again" }];
    await arrive(db, [1, JSON.stringify({ reports })]);
    await decideDue(db, at(1));
    const [message] = await claim(db, at(1));
    const details = ((message?.issues ?? []) as Row[]).map(({ component, details }) => [component, details]);
    assert.deepEqual(Object.fromEntries(details), { "a.disk.report": "this", "b.disk.report": "other" });
  }));

test("a report that was replaced, is not JSON or not there any more gives null, and the message goes out", () =>
  inTransaction(async (db) => {
    await arrive(db, [1, reportOf({ disk: "old" })]);
    await decideDue(db, at(1));
    await db.query("savepoint decided");
    for (const [report, details] of [
      [reportOf({ disk: "new" }), "new"],
      [reportOf({ net: "other" }), null],
      ["", null],
      ['{"reports": [', null],
      ["[]", null],
      ['{"reports": {}}', null],
      ['{"reports": [{"component": "a.disk.report", "key": "KEY"}]}', null],
    ] as const) {
      await replace(db, 1, report);
      assert.deepEqual(await claimedDetails(db, 1), [[details]], report);
      await db.query("rollback to savepoint decided");
    }
    await db.query("delete from new_reports");
    assert.deepEqual(await claimedDetails(db, 1), [[null]]);
  }));

test("what is notified as gone has the details of the last report that still had it", () =>
  inTransaction(async (db) => {
    await arrive(db, [1, reportOf({ disk: "first", net: 0 })]);
    await decideDue(db, at(1));
    await arrive(db, [2, reportOf({ disk: "last", net: 1 })], [3, reportOf({ net: 2 })]);
    await decideDue(db, at(3));
    assert.deepEqual(await claimedDetails(db, 3), [["first", 0], ["last"]]);
  }));

test("what comes after it was gone has nothing to say about it, replaced or back again", () =>
  inTransaction(async (db) => {
    await arrive(db, [1, reportOf({ disk: "last" })]);
    await decideDue(db, at(1));
    await claimedDetails(db, 1);
    await arrive(db, [2, reportOf({})]);
    await decideDue(db, at(2));
    await replace(db, 2, reportOf({ disk: "replaced" }));
    await arrive(db, [3, reportOf({ disk: "again" })]);
    const gone = await value(db, "select closed_at from occurrence where occurrence = 1");
    assert.ok(gone !== null, "it was gone");
    assert.deepEqual(await claimedDetails(db, 3), [["last"]]);
  }));

test("a report without it that arrived late, or one that was replaced, does not hide it", () =>
  inTransaction(async (db) => {
    await arrive(db, [1, reportOf({ disk: "seen" })]);
    await decideDue(db, at(1));
    await claimedDetails(db, 1);
    await arrive(db, [3, reportOf({ disk: "replaced" })], [5, reportOf({})]);
    await arrive(db, [2, reportOf({ net: 1 }), 6], [4, reportOf({}), 6]);
    await replace(db, 3, "");
    await decideDue(db, at(6));
    assert.deepEqual(await claimedDetails(db, 6), [["seen"]]);
  }));

test("what came back and went again has the details of that time, or none", () =>
  inTransaction(async (db) => {
    await setScopedPolicy(db, {}, { cooldown: "0" }, "2026-02-02");
    await arrive(db, [1, reportOf({ disk: "first" })]);
    await decideDue(db, at(1));
    await arrive(db, [2, reportOf({})], [3, reportOf({ disk: "second" })]);
    await decideDue(db, at(3));
    await claimedDetails(db, 3);
    await arrive(db, [4, reportOf({})], [5, reportOf({ net: 1 })]);
    await decideDue(db, at(5));
    await db.query("savepoint decided");
    assert.deepEqual(await claimedDetails(db, 5), [[1], ["second"]]);
    await db.query("rollback to savepoint decided");
    await db.query("delete from new_reports where updated_at = $1", [at(3)]);
    assert.deepEqual(await claimedDetails(db, 5), [[1], [null]], "not of the time before");
  }));

test("a report is read once for all the messages of a claim about it, also of what is gone", () =>
  inTransaction(async (db) => {
    const rules = ["disk", "net", "memory", "nodes", "quota"];
    const reads = async () =>
      Number(
        await value(
          db,
          "select sum(calls) from pg_stat_xact_user_functions where funcname = 'readable_report'",
        ),
      );
    await loadContent(db, rules);
    await setScopedPolicy(db, {}, { max_events: 1 }, "2026-02-02");
    await db.query("set local track_functions = 'all'");
    const all = reportOf(Object.fromEntries(rules.map((rule) => [rule, rule])));
    await arrive(db, [1, reportOf({ disk: "earlier" })], [2, all]);
    await decideDue(db, at(2));
    let before = await reads();
    assert.deepEqual((await claimedDetails(db, 2)).flat().sort(), [...rules].sort());
    assert.equal((await reads()) - before, 1);

    await arrive(db, [3, reportOf({ disk: "last" })], [4, reportOf({})]);
    await decideDue(db, at(4));
    before = await reads();
    const gone = (await claimedDetails(db, 4)).flat().sort();
    assert.deepEqual(gone, ["last", ...rules.filter((rule) => rule !== "disk")].sort());
    assert.equal((await reads()) - before, 2);
  }));

test("a claim looks up what waits of a cluster, whatever has been sent about it before", () =>
  inTransaction(async (db) => {
    const touched = async () => {
      const [plan] = await rows(
        db,
        `explain (analyze, buffers, format json)
         select * from ccx.claim_due('notifications backend', 10, '2 minutes', '${at(2)}')`,
      );
      const buffers =
        JSON.stringify(plan)
          .match(/"Shared (?:Hit|Read) Blocks":(\d+)/g)
          ?.slice(0, 2) ?? [];
      return buffers.reduce((sum, found) => sum + Number(found.split(":")[1]), 0);
    };
    await arrive(db, [1, reportOf({ disk: 1 })]);
    await decideDue(db, at(1));
    await db.query("savepoint decided");
    const alone = await touched();
    await db.query("rollback to savepoint decided");
    await db.query(
      `insert into notification (target_id, org_id, account_number, cluster, updated_at, decided_at, state,
         ended_at, next_attempt_at)
       select n.target_id, n.org_id, 0, n.cluster, n.updated_at, n.decided_at - nth * interval '1 hour', 'sent',
         n.decided_at, n.decided_at
       from notification n cross join generate_series(1, 1000) nth where n.cluster = $1`,
      [cluster],
    );
    assert.ok((await touched()) < alone + 50, "it reads what has been sent");
  }));
