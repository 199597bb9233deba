import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  aReport,
  type Claimed,
  claim,
  claimOne,
  delivered,
  failed,
  loadContent,
  notificationsBackend,
  reportAndDecide,
  rows,
  serviceLog,
  setPolicy,
  settle,
  someContent,
  someMessages,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";

const reported = (db: PoolClient) =>
  rows(db, "select state, error_log, report <> '' as with_report from reported order by event_type_id");

/** One decision in two messages, both claimed. */
async function twoMessages(db: PoolClient): Promise<[Claimed, Claimed]> {
  await loadContent(db, ["disk", "net"]);
  await setPolicy(db, notificationsBackend, { max_events: 1 }, "2026-02-01");
  await reportAndDecide(db, aCluster(), at, ["disk", "net"]);
  return (await claim(db, at)) as unknown as [Claimed, Claimed];
}

test("a message that is sent is recorded with its report", () =>
  rolledBack(database.pool, async (db) => {
    const [cluster = ""] = await someMessages(db, at);
    await db.query("update notification set account_number = 42, org_id = org_id");
    await settle(db, [delivered(await claimOne(db, at))], "2026-03-01T12:00:10Z");
    assert.deepEqual(await rows(db, "select * from reported"), [
      {
        org_id: "1",
        account_number: "42",
        cluster,
        notification_type: 1,
        state: 1,
        report: aReport("disk"),
        updated_at: at,
        notified_at: at,
        error_log: "",
        event_type_id: 1,
      },
    ]);
  }));

test("a message that is given up is recorded as an error, with its report and what went wrong", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    await settle(db, [failed(await claimOne(db, at), { permanent: true, error: "it answered 400" })], at);
    assert.deepEqual(await reported(db), [{ state: 4, error_log: "it answered 400", with_report: true }]);
  }));

test("a message that is tried again later is not recorded", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    await settle(db, [failed(await claimOne(db, at))], at);
    assert.deepEqual(await reported(db), []);
  }));

test("a decision in several messages has one record: sent when one got through, with what failed", () =>
  rolledBack(database.pool, async (db) => {
    const [one, two] = await twoMessages(db);
    await settle(db, [delivered(one), failed(two, { permanent: true, error: "too long" })], at);
    assert.deepEqual(await reported(db), [{ state: 1, error_log: "too long", with_report: true }]);
  }));

test("whichever ends first", () =>
  rolledBack(database.pool, async (db) => {
    const [one, two] = await twoMessages(db);
    await settle(db, [failed(two, { permanent: true, error: "too long" })], at);
    assert.deepEqual(await reported(db), [{ state: 4, error_log: "too long", with_report: true }]);
    await settle(db, [delivered(one)], at);
    assert.deepEqual(await reported(db), [{ state: 1, error_log: "too long", with_report: true }]);
  }));

test("what went wrong before a message was sent is not recorded", () =>
  rolledBack(database.pool, async (db) => {
    const [one, two] = await twoMessages(db);
    await settle(db, [failed(one), failed(two)], at);
    const again = await claim(db, "2026-03-01T13:00:00Z");
    await settle(
      db,
      again.map((claimed) => delivered(claimed as Claimed)),
      at,
    );
    assert.deepEqual(await reported(db), [{ state: 1, error_log: "", with_report: true }]);
  }));

test("all messages of a decision that fail for different reasons name them all, each once", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk", "net", "cpu"]);
    await setPolicy(db, notificationsBackend, { max_events: 1 }, "2026-02-01");
    await reportAndDecide(db, aCluster(), at, ["disk", "net", "cpu"]);
    const claims = (await claim(db, at)) as Claimed[];
    const errors = ["b went wrong", "a went wrong", "b went wrong"];
    const outcomes = claims.map((claimed, i) => failed(claimed, { permanent: true, error: errors[i] }));
    await settle(db, outcomes, at);
    assert.deepEqual(await reported(db), [
      { state: 4, error_log: "a went wrong; b went wrong", with_report: true },
    ]);
  }));

test("each target has a record of its own, and other decisions keep theirs", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, [someContent("disk", { tags: ["osd_customer"] })]);
    await setPolicy(db, serviceLog, { enabled: true }, "2026-02-01");
    await setPolicy(db, notificationsBackend, { cooldown: "0" }, "2026-02-01");
    const cluster = aCluster();
    await reportAndDecide(db, cluster, at, ["disk"]);
    await settle(db, [delivered(await claimOne(db, at))], at);
    const [entry] = (await claim(db, at, 1, serviceLog)) as Claimed[];
    assert.ok(entry);
    await settle(db, [failed(entry, { permanent: true, error: "no" })], at);
    await reportAndDecide(db, cluster, "2026-03-01T13:00:00Z", ["disk"]);
    const next = "2026-03-01T13:00:00Z";
    await settle(db, [failed(await claimOne(db, next), { permanent: true, error: "later" })], next);
    const records = await rows(
      db,
      "select event_type_id as target, notified_at, state, error_log from reported order by notified_at, target",
    );
    assert.deepEqual(records, [
      { target: 1, notified_at: at, state: 1, error_log: "" },
      { target: 2, notified_at: at, state: 4, error_log: "no" },
      { target: 1, notified_at: next, state: 4, error_log: "later" },
    ]);
  }));

test("a record is about its own decision and its own report", () =>
  rolledBack(database.pool, async (db) => {
    const [cluster = ""] = await someMessages(db, at);
    await settle(db, [delivered(await claimOne(db, at))], at);
    const later = "2026-03-02T12:00:00Z";
    await reportAndDecide(db, cluster, later, ["another", "disk", "net"]);
    await settle(db, [failed(await claimOne(db, later), { permanent: true, error: "no" })], later);
    await db.query("delete from reported");
    await db.query("select record_reported(array_agg(id)) from notification where decided_at = $1", [later]);
    assert.deepEqual(await rows(db, "select state, report, notified_at from reported"), [
      { state: 4, report: aReport("another", "disk", "net"), notified_at: later },
    ]);
    await db.query("select record_reported(array_agg(id)) from notification where decided_at = $1", [at]);
    assert.deepEqual(await rows(db, "select state, report from reported where notified_at = $1", [at]), [
      { state: 1, report: aReport("disk") },
    ]);
  }));

test("a report that has been dropped meanwhile is recorded without its text", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    await db.query("delete from new_reports");
    await settle(db, [delivered(await claimOne(db, at))], at);
    assert.deepEqual(await reported(db), [{ state: 1, error_log: "", with_report: false }]);
    assert.equal(await value(db, "select updated_at from reported"), at);
  }));
