import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  addReport,
  addReports,
  claimOne,
  decideDue,
  failed,
  jobs,
  loadContent,
  notificationsBackend,
  reportAndDecide,
  rows,
  settle,
  someMessages,
  value,
  wishesBecomeJobs,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z"; // a cooldown of 7 days from here ends on 8 March

async function sweep(db: PoolClient, when: string): Promise<[ended: unknown, woken: unknown]> {
  const [swept] = await rows(db, "select * from sweep($1)", [when]);
  return [swept?.cooldowns_ended, swept?.woken];
}

/** A cluster that was notified at `at` and still has the issue; nothing waits. */
async function toldCluster(db: PoolClient): Promise<string> {
  await sweep(db, at);
  const [cluster = ""] = await someMessages(db, at);
  await addReport(db, cluster, "2026-03-08T10:00:00Z", ["disk"]);
  await decideDue(db, "2026-03-08T10:00:00Z");
  await db.query("update notification set state = 'sent', ended_at = decided_at");
  await db.query(`${wishesBecomeJobs}; delete from graphile_worker._private_jobs`);
  return cluster;
}

test("when a cooldown ends, its cluster is asked again, once", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = await toldCluster(db);
    assert.deepEqual(await sweep(db, "2026-03-08T11:59:59Z"), [0, []]);
    assert.deepEqual(await sweep(db, "2026-03-08T12:00:00Z"), [1, ["decide"]]);
    assert.deepEqual(await rows(db, "select cluster, by_report from decision_due"), [
      { cluster, by_report: false },
    ]);
    assert.deepEqual(Object.keys(await jobs(db)), ["decide"]);
    assert.equal((await decideDue(db, "2026-03-08T12:00:01Z")).notified, 1);
    assert.equal((await sweep(db, "2026-03-08T12:01:00Z"))[0], 0);
  }));

test("a cooldown that ended while nobody swept is not forgotten", () =>
  rolledBack(database.pool, async (db) => {
    await toldCluster(db);
    assert.equal((await sweep(db, "2026-03-09T09:00:00Z"))[0], 1);
    assert.equal(
      (await sweep(db, "2026-03-08T11:00:00Z"))[0],
      0,
      "a clock that goes back asks nothing again",
    );
    assert.equal((await sweep(db, "2026-03-09T09:30:00Z"))[0], 0);
  }));

test("an issue that is gone is not asked about", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = await toldCluster(db);
    await reportAndDecide(db, cluster, "2026-03-08T11:00:00Z", []);
    assert.equal((await sweep(db, "2026-03-08T12:00:00Z"))[0], 0);
  }));

test("a cluster that has been silent for a day is not asked", () =>
  rolledBack(database.pool, async (db) => {
    await toldCluster(db);
    assert.equal((await sweep(db, "2026-03-09T10:00:00Z"))[0], 0);
  }));

test("a delivery that was given up has no cooldown that could end", () =>
  rolledBack(database.pool, async (db) => {
    await toldCluster(db);
    await db.query("update notified_issue set voided = tstzmultirange(tstzrange(notified_at, null))");
    assert.equal((await sweep(db, "2026-03-08T12:00:00Z"))[0], 0);
  }));

test("when spacing ends, its cluster is asked again, once, and only of the organization that has spacing", () =>
  rolledBack(database.pool, async (db) => {
    const [cluster, other] = [aCluster(), aCluster()];
    await loadContent(db, ["disk", "net"]);
    await db.query(
      "select set_policy($1, '{\"spacing\": \"6 hours\"}', 'for the test', '2026-02-01', org_id => 1)",
      [notificationsBackend],
    );
    await sweep(db, at);
    await addReports(db, [{ org: 2, cluster: other, at, hits: ["disk"] }]);
    await reportAndDecide(db, cluster, at, ["disk"]);
    await reportAndDecide(db, cluster, "2026-03-01T13:00:00Z", ["disk", "net"]);
    assert.equal((await sweep(db, "2026-03-01T17:59:59Z"))[0], 0);
    assert.equal((await sweep(db, "2026-03-01T18:00:00Z"))[0], 1);
    assert.equal((await decideDue(db, "2026-03-01T18:00:00Z")).notified, 1);
    assert.equal((await sweep(db, "2026-03-01T18:01:00Z"))[0], 0);

    // a replay starts no spacing
    await db.query("update notification set state = 'sent', ended_at = decided_at");
    const replayed = await value(
      db,
      "select sum(messages) from replay('2026-03-01', '2026-03-01 18:30Z', at => '2026-03-01 19:00Z')",
    );
    assert.equal(replayed, "3");
    assert.equal((await sweep(db, "2026-03-02T00:59:00Z"))[0], 1, "of the message of 18:00");
    await decideDue(db, "2026-03-02T00:59:00Z");
    assert.equal((await sweep(db, "2026-03-02T01:00:00Z"))[0], 0);
  }));

test("a cluster with several cooldowns that end is asked once, and one that waits keeps its place", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk", "net"]);
    await reportAndDecide(db, cluster, at, ["disk", "net"]);
    await addReport(db, cluster, "2026-03-08T10:00:00Z", ["disk", "net"]);
    const waiting = await rows(db, "select * from decision_due");
    assert.equal((await sweep(db, "2026-03-08T12:00:00Z"))[0], 1);
    assert.deepEqual(await rows(db, "select * from decision_due"), waiting);
  }));

test("a decision whose wake-up was lost is woken", () =>
  rolledBack(database.pool, async (db) => {
    await addReport(db, aCluster(), at, []);
    await db.query(`${wishesBecomeJobs}; delete from graphile_worker._private_jobs`);
    assert.deepEqual(await sweep(db, at), [0, ["decide"]]);
    assert.deepEqual(Object.keys(await jobs(db)), ["decide"]);
  }));

test("a delivery whose wake-up was lost is woken when it is due, and not when it has ended", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    assert.deepEqual(await sweep(db, at), [0, [notificationsBackend]]);
    assert.deepEqual(Object.keys(await jobs(db)), [`deliver ${notificationsBackend}`]);
    const claimed = await claimOne(db, at);
    assert.deepEqual((await sweep(db, "2026-03-01T12:01:59Z"))[1], [], "a worker has it");
    assert.deepEqual((await sweep(db, "2026-03-01T12:02:00Z"))[1], [notificationsBackend], "its lease ended");
    await settle(db, [failed(claimed, { permanent: true })], at);
    assert.deepEqual((await sweep(db, "2026-03-01T12:10:00Z"))[1], []);
  }));

test("every target with work is woken", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at, 2);
    await db.query("update notification set target_id = 2 where id = (select min(id) from notification)");
    assert.deepEqual(await sweep(db, at), [0, [notificationsBackend, "service log"]]);
    await db.query(wishesBecomeJobs);
    const tasks = await rows(db, "select task_identifier as task from graphile_worker.jobs order by 1");
    assert.deepEqual(tasks, [{ task: "deliver_notifications_backend" }, { task: "deliver_service_log" }]);
  }));

test("a wake-up for later does not hold back the one for now", () =>
  rolledBack(database.pool, async (db) => {
    await db.query("select wake_delivery('service log', now() + interval '1 hour')");
    await db.query("select wake_delivery('service log')");
    await db.query(wishesBecomeJobs);
    const waiting = "select key, run_at <= now() as now from graphile_worker.jobs order by key";
    assert.deepEqual(await rows(db, waiting), [
      { key: "deliver service log", now: true },
      { key: "retry service log", now: false },
    ]);
    await db.query("select wake_delivery('service log', now() + interval '2 hours')");
    await db.query(wishesBecomeJobs);
    assert.equal((await rows(db, waiting)).length, 2, "woken again, not twice");
  }));

test("a wake-up while the task runs is not lost: the task runs again", () =>
  rolledBack(database.pool, async (db) => {
    for (const wake of ["wake_decide()", "wake_delivery('service log')"]) {
      await db.query(`${wishesBecomeJobs}; delete from graphile_worker._private_jobs`);
      await db.query(`select ${wake}, ${wake}; ${wishesBecomeJobs}`);
      assert.equal(await value(db, "select count(*)::integer from graphile_worker.jobs"), 1, "one is enough");
      await db.query("update graphile_worker._private_jobs set locked_at = now(), locked_by = 'somebody'");
      await db.query(`select ${wake}; ${wishesBecomeJobs}`);
      const waiting = "select count(*)::integer from graphile_worker.jobs where locked_at is null";
      assert.equal(await value(db, waiting), 1, wake);
    }
  }));

test("jobs that have failed for good are cleared away, so that they do not stand in the way", () =>
  rolledBack(database.pool, async (db) => {
    await db.query(
      "select graphile_worker.add_job(task) from unnest(array['failed', 'fine', 'running']) task",
    );
    await db.query(
      `update graphile_worker._private_jobs j set attempts = max_attempts,
         locked_at = case t.identifier when 'running' then now() end,
         locked_by = case t.identifier when 'running' then 'somebody' end
       from graphile_worker._private_tasks t where t.id = j.task_id and t.identifier <> 'fine'`,
    );
    await sweep(db, at);
    const left = await rows(db, "select task_identifier as task from graphile_worker.jobs order by 1");
    assert.deepEqual(left, [{ task: "fine" }, { task: "running" }]);
  }));

test("partitions are made ahead", () =>
  rolledBack(database.pool, async (db) => {
    await sweep(db, "2026-04-01T12:00:00Z");
    const made =
      "select count(*)::integer from pg_class where relname ~ '^(new_reports|reported)_2026040[1-4]$'";
    assert.equal(await value(db, made), 8);
  }));
