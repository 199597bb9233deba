import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { PoolClient } from "pg";
import { addReports, decideDue, rows, value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { waiting } from "../support/policies.ts";
import { twoSessions } from "../support/sessions.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";

const names = (count: number, prefix = "cluster") =>
  Array.from({ length: count }, (_, n) => `${prefix}-${String(n).padStart(3, "0")}`);

/** These tests commit, so that rows of decision_due have times of their own. */
beforeEach(async () => {
  await database.pool.query(
    `truncate new_reports, latest_report, issue, occurrence, render_failure, decision_due, decision_request, notification, notified_issue, reported;
     delete from graphile_worker._private_jobs;
     select ensure_partition('reported', '2026-03-01')`,
  );
  const reports = names(40).map((cluster) => ({ cluster, at, hits: ["disk"] }));
  await addReports(database.pool, reports);
  await database.pool.query("delete from decision_due");
});

const request = () => database.pool.query("select request_decisions('for the test', at => $1)", [at]);

test("however many clusters a request concerns, a report that comes in is decided in the round after next", async () => {
  await request();
  const open = async () => (await rows(database.pool, "select from decision_request")).length > 0;
  let round = 0;
  for (; await open(); round++) {
    assert.ok(round < 30, "it comes to an end");
    await addReports(database.pool, [{ cluster: `new-${round}`, at, hits: ["disk"] }]);
    const { clusters } = await decideDue(database.pool, at, 5);
    assert.ok(clusters <= 5, "a batch stays a batch");
    const left = await waiting(database.pool, "2026-01-01"); // without taking a request
    assert.ok(left.length < 10, `${left.length} wait: a request is taken only while fewer than a batch do`);
    assert.ok(!left.includes(`new-${round - 1}`), "the one that came before is decided");
  }
  assert.ok(round >= 40 / 5, `40 clusters, five at a time, took ${round} rounds`);
});

test("while a batch waits already, no request is taken", async () => {
  await request();
  await addReports(
    database.pool,
    names(5, "new").map((cluster) => ({ cluster, at, hits: [] })),
  );
  assert.equal(await value(database.pool, "select expand_decision_request(5, $1)", [at]), 0);
  assert.equal(await value(database.pool, "select expand_decision_request(6, $1)", [at]), 6);
});

test("a cluster that waits for its report keeps its place and has a new report", async () => {
  await addReports(database.pool, [{ cluster: "cluster-000", at: "2026-03-01T13:00:00Z", hits: ["net"] }]);
  const before = await rows(database.pool, "select * from decision_due");
  await request();
  await database.pool.query("select expand_decision_request(100, $1)", [at]);
  const after = await rows(database.pool, "select * from decision_due order by due_at, cluster");
  assert.equal(after.length, 40);
  assert.deepEqual(after[0], before[0]);
  assert.equal(after[0]?.by_report, true);
  assert.ok(after.slice(1).every(({ by_report }) => by_report === false));
});

test("two deciders at once: one takes the request, the other does not wait for it", () =>
  twoSessions(database.pool, async (first, second) => {
    await request();
    const take = (db: PoolClient) => value(db, "select expand_decision_request(10, $1)", [at]);
    assert.equal(await take(first), 10);
    await second.query("set local lock_timeout = '100ms'");
    assert.equal(await take(second), 0);
    await request();
    assert.equal(
      await take(second).catch((error) => error.code),
      "55P03",
      "the same clusters: that is a wait",
    );
  }));

test("a request that was taken and rolled back is still there", () =>
  twoSessions(database.pool, async (first, second) => {
    await request();
    await decideDue(first, at, 100);
    await first.query("rollback");
    assert.equal((await decideDue(second, at, 100)).clusters, 40);
  }));

test("when a silence is deleted with its table's row, its request goes with it", async () => {
  const silence = await value(
    database.pool,
    "select (add_silence($1::timestamptz + interval '1 day', 'for the test', everything => true, at => $1)).id",
    [at],
  );
  await database.pool.query("select end_silence($1, $2)", [silence, at]);
  await database.pool.query("delete from silence where id = $1", [silence]);
  assert.deepEqual(await rows(database.pool, "select * from decision_request"), []);
});
