import assert from "node:assert/strict";
import { test } from "node:test";
import {
  claim,
  claimOne,
  decisions,
  delivered,
  failed,
  jobs,
  reportAndDecide,
  rows,
  settle,
  someMessages,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";
const justBefore = "2026-03-02T09:59:59Z";
const horizon = "2026-03-02T10:00:00Z"; // 22 hours after the decision

test("a try of which nobody knows how it ended is repeated only within 22 hours of the decision", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    await claimOne(db, at);
    await db.query("savepoint before");
    assert.equal((await claim(db, justBefore)).length, 1);
    await db.query("rollback to savepoint before");
    assert.deepEqual(await claim(db, horizon), []);
  }));

test("a message that was never tried is sent, however old its decision", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    assert.equal(await value(db, "select expire_notifications('2026-03-05')"), 0);
    assert.equal((await claim(db, "2026-03-05")).length, 1);
  }));

test("a try of which nobody knows how it ended is given up after 22 hours, visibly, and its issue is notified anew", () =>
  rolledBack(database.pool, async (db) => {
    const [cluster = ""] = await someMessages(db, at);
    await claimOne(db, at);
    assert.equal(await value(db, "select expire_notifications($1)", [justBefore]), 0);
    assert.equal(await value(db, "select expire_notifications($1)", [horizon]), 1);
    assert.deepEqual(await rows(db, "select state, failure, last_error, ended_at from notification"), [
      {
        state: "dead",
        failure: "timeout",
        last_error: "given up: 1 tries, and it is not known how the last one ended",
        ended_at: horizon,
      },
    ]);
    assert.deepEqual(await rows(db, "select state from reported"), [{ state: 4 }]);
    assert.deepEqual(await decisions(db, cluster, horizon), { "disk|KEY": "notify" });
    assert.equal(await value(db, "select expire_notifications($1)", [horizon]), 0, "once");
  }));

test("a message that a worker has, and one that was sent, are not given up", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    const claimed = await claimOne(db, justBefore);
    assert.equal(await value(db, "select expire_notifications($1)", [horizon]), 0);
    await settle(db, [delivered(claimed)], horizon);
    assert.equal(await value(db, "select expire_notifications('2026-03-05')"), 0);
  }));

test("the sweep gives them up", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    await claimOne(db, at);
    await db.query("select sweep($1)", [horizon]);
    assert.equal(await value(db, "select state from notification"), "dead");
  }));

test("the wake-up for a retry is for the earliest message that waits, also one of an earlier settlement", () =>
  rolledBack(database.pool, async (db) => {
    const [cluster = ""] = await someMessages(db, "2026-03-01T11:00:00Z");
    await settle(db, [delivered(await claimOne(db, "2026-03-01T11:00:00Z"))], at);
    await someMessages(db, at);
    await settle(db, [failed(await claimOne(db, at), { failure: "timeout", retry_after_ms: 60_000 })], at);
    const later = "2026-03-01T12:00:30Z";
    await reportAndDecide(db, cluster, later, ["disk", "net"]);
    await settle(
      db,
      [failed(await claimOne(db, later), { failure: "timeout", retry_after_ms: 600_000 })],
      later,
    );
    assert.equal((await jobs(db))["retry notifications backend"], "2026-03-01T12:01:00Z");
  }));
