import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  addReport,
  decideDue,
  loadContent,
  notificationsBackend,
  reportAndDecide,
  rows,
  serviceLog,
  setPolicy,
  someContent,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();

const reported = (db: PoolClient) =>
  rows(
    db,
    "select state, event_type_id, notified_at, updated_at from reported order by notified_at, event_type_id",
  );

test("a report all of whose qualifying issues are held back is recorded as same", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk", someContent("low", { impact: 1, likelihood: 1 })]);
    await reportAndDecide(db, cluster, "2026-03-01", ["disk"]);
    assert.deepEqual(await reported(db), [], "what is notified is recorded when its delivery has ended");
    await db.query(
      `insert into new_reports (org_id, account_number, cluster, updated_at, report)
       select 1, 42, cluster, '2026-03-02T00:00:00Z', report from new_reports`,
    );
    await decideDue(db, "2026-03-02T00:00:30Z");
    assert.deepEqual(await rows(db, "select * from reported"), [
      {
        org_id: "1",
        account_number: "42",
        cluster,
        notification_type: 1,
        state: 2,
        report: "",
        updated_at: "2026-03-02T00:00:00Z",
        notified_at: "2026-03-02T00:00:30Z",
        error_log: "",
        event_type_id: 1,
      },
    ]);
    await reportAndDecide(db, cluster, "2026-03-03", ["disk", "low"]);
    assert.equal((await reported(db))[1]?.state, 2, "one of the two qualifies");
  }));

test("a report none of whose issues qualifies is recorded as lower", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, [someContent("low", { impact: 1, likelihood: 1 })]);
    await reportAndDecide(db, cluster, "2026-03-01", ["low", "without_content"]);
    assert.deepEqual(await reported(db), [
      { state: 3, event_type_id: 1, notified_at: "2026-03-01T00:00:00Z", updated_at: "2026-03-01T00:00:00Z" },
    ]);
  }));

test("a report with one issue to tell is not recorded before its delivery ends", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk", someContent("low", { impact: 1, likelihood: 1 })]);
    await reportAndDecide(db, cluster, "2026-03-01", ["disk", "low"]);
    assert.deepEqual(await reported(db), []);
  }));

test("a report without hits is not recorded", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    assert.equal((await reportAndDecide(db, aCluster(), "2026-03-01", [])).clusters, 1);
    assert.deepEqual(await reported(db), []);
  }));

test("nothing is recorded for a disabled target", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await setPolicy(db, notificationsBackend, { enabled: false }, "2026-02-01");
    await reportAndDecide(db, cluster, "2026-03-01", ["disk"]);
    assert.deepEqual(await reported(db), []);
  }));

test("each target has its own record", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, cluster, "2026-03-01", ["disk"]);
    await setPolicy(db, serviceLog, { enabled: true }, "2026-02-01");
    await reportAndDecide(db, cluster, "2026-03-02", ["disk"]);
    assert.deepEqual(
      (await reported(db)).map(({ state, event_type_id }) => [state, event_type_id]),
      [
        [2, 1],
        [3, 2],
      ],
    );
  }));

test("a cluster that is asked again without a new report is not recorded again", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, [someContent("low", { impact: 1, likelihood: 1 })]);
    await addReport(db, cluster, "2026-03-01", ["low"]);
    await decideDue(db, "2026-03-01");
    await setPolicy(db, notificationsBackend, { max_events: 5 }, "2026-03-01T01:00:00Z");
    assert.equal((await decideDue(db, "2026-03-01T02:00:00Z")).held, 2, "it was asked again");
    assert.equal((await reported(db)).length, 1);
  }));

test("a decision of a day without a partition makes one", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, []);
    await reportAndDecide(db, aCluster(), "2026-03-01T23:59:59Z", ["disk"]);
    assert.deepEqual(await rows(db, "select tableoid::regclass::text as partition from reported"), [
      { partition: "reported_20260301" },
    ]);
  }));
