import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import {
  type Claimed,
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
  wishesBecomeJobs,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";
const nothing = { sent: 0, retried: 0, dead: 0 };

/** Seconds from `since` until the message may be tried again. */
async function delayS(db: PoolClient, since: string): Promise<number> {
  const sql = "select extract(epoch from next_attempt_at - $1::timestamptz)::float8 from notification";
  return Number(await value(db, sql, [since]));
}

test("back-off doubles from two seconds to a quarter of an hour, spread by a quarter either way", async () => {
  const seconds = [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900];
  for (const [i, expected] of [...seconds.entries(), [99, 900], [2_000_000, 900]] as [number, number][]) {
    const [bounds] = await rows(
      database.pool,
      `select min(d)::float8 as least, max(d)::float8 as most, count(distinct d)::integer as values
       from (select extract(epoch from retry_delay($1)) as d from generate_series(1, 300)) tries`,
      [i + 1],
    );
    const { least, most, values } = bounds as { least: number; most: number; values: number };
    assert.ok(least >= expected * 0.75 && least < expected * 0.85, `${i + 1} attempts: at least ${least} s`);
    assert.ok(most <= expected * 1.25 && most > expected * 1.15, `${i + 1} attempts: at most ${most} s`);
    assert.ok(values > 100, "messages that failed together do not come back together");
  }
});

test("a failed message waits, longer each time, and keeps what went wrong", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    const first = await claimOne(db, at);
    assert.deepEqual(await settle(db, [failed(first)], at), { ...nothing, retried: 1 });
    const [message] = await rows(
      db,
      "select state, attempts, failure, last_error, ended_at from notification",
    );
    assert.deepEqual(message, {
      state: "pending",
      attempts: 1,
      failure: "server",
      last_error: "it answered 503",
      ended_at: null,
    });
    const delay = await delayS(db, at);
    assert.ok(delay >= 1.5 && delay <= 2.5, `${delay} s`);
    const later = "2026-03-01T12:10:00Z";
    await db.query("update notification set attempts = 6");
    await settle(db, [failed(await claimOne(db, later))], later);
    const longer = await delayS(db, later);
    assert.ok(longer >= 96 && longer <= 160, `${longer} s after 7 attempts`);
    assert.equal(
      await value(db, "select live from notified_issue"),
      true,
      "a pending message counts as notified",
    );
    assert.deepEqual(await rows(db, "select * from reported"), [], "it has not ended");
  }));

test("the retry is woken when the first message is due, under a key of its own", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at, 3);
    const claims = (await claim(db, at)) as Claimed[];
    const waits = [600_000, 60_000, 700_000];
    await settle(
      db,
      claims.map((claimed, i) => failed(claimed, { failure: "timeout", retry_after_ms: waits[i] })),
      at,
    );
    await db.query(wishesBecomeJobs);
    const [job] = await rows(db, "select key, task_identifier from graphile_worker.jobs");
    assert.deepEqual(job, {
      key: "retry notifications backend",
      task_identifier: "deliver_notifications_backend",
    });
    assert.equal((await jobs(db))["retry notifications backend"], "2026-03-01T12:01:00Z");
  }));

test("a receiver that asks for time gets it, but never less than the back-off", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    await settle(
      db,
      [failed(await claimOne(db, at), { failure: "rate_limited", retry_after_ms: 3_600_000 })],
      at,
    );
    assert.equal(await delayS(db, at), 3600);
    const later = "2026-03-01T13:00:00Z";
    await db.query("update notification set attempts = 9");
    await settle(db, [failed(await claimOne(db, later), { retry_after_ms: 1 })], later);
    assert.ok((await delayS(db, later)) >= 675);
  }));

test("a permanent failure is dead at once: its issues do not count as notified, and are notified again", () =>
  rolledBack(database.pool, async (db) => {
    const [cluster = ""] = await someMessages(db, at);
    const outcome = failed(await claimOne(db, at), {
      failure: "schema",
      permanent: true,
      error: "e".repeat(2000),
    });
    assert.deepEqual(await settle(db, [outcome], "2026-03-01T12:00:05Z"), { ...nothing, dead: 1 });
    const [message] = await rows(
      db,
      "select state, failure, length(last_error) as length, ended_at, next_attempt_at > $1 as leased from notification",
      [at],
    );
    assert.deepEqual(message, {
      state: "dead",
      failure: "schema",
      length: 1000,
      ended_at: "2026-03-01T12:00:05Z",
      leased: true,
    });
    assert.deepEqual(await jobs(db), {});
    assert.deepEqual(await decisions(db, cluster, "2026-03-01T12:00:06Z"), { "disk|KEY": "notify" });
    assert.equal((await reportAndDecide(db, cluster, "2026-03-01T13:00:00Z", ["disk"])).notified, 1);
  }));

test("a receiver that asks for more time than is left gets a last try, in time", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at, 1);
    const claimed = await claimOne(db, at);
    const outcome = failed(claimed, { failure: "timeout", retry_after_ms: 23 * 3_600_000 });
    assert.equal((await settle(db, [outcome], at)).retried, 1);
    const lastTry = "2026-03-02T09:59:00Z";
    assert.equal(await value(db, "select next_attempt_at from notification"), lastTry);
    const last = await claimOne(db, lastTry);
    await db.query("update notification set attempts_before = -9");
    assert.equal(
      (await settle(db, [failed(last)], lastTry)).dead,
      1,
      "its back-off is longer than what is left",
    );
    assert.equal(await value(db, "select live from notified_issue"), false);
  }));

for (const answer of [
  { failure: "rate_limited", retry_after_ms: 86_400_000 },
  { failure: "server", retry_after_ms: 80_000_000 },
  { failure: "network" },
  { failure: "auth" },
])
  test(`what certainly was not stored (${answer.failure}) begins no horizon, however long it waits`, () =>
    rolledBack(database.pool, async (db) => {
      await someMessages(db, at);
      const outcome = (claimed: Claimed) => failed(claimed, { ...answer, not_stored: true });
      await settle(db, [outcome(await claimOne(db, at))], at);
      const states = "select state, attempts, first_tried_at, may_be_out from notification";
      const waits = { state: "pending", first_tried_at: null, may_be_out: false };
      assert.deepEqual(await rows(db, states), [{ ...waits, attempts: 1 }]);
      await settle(db, [outcome(await claimOne(db, "2026-03-03T12:00:00Z"))], "2026-03-03T12:00:00Z");
      assert.deepEqual(await rows(db, states), [{ ...waits, attempts: 2 }]);
      const [third] = await claim(db, "2026-03-06T12:00:00Z");
      assert.equal(third?.first_tried_at, "2026-03-06T12:00:00Z", "the message's timestamp");
    }));

test("from the first try that may have arrived the timestamp stays, whatever becomes of later ones", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    const [first] = await claim(db, at);
    assert.equal(first?.first_tried_at, at);
    const [afterLease] = await claim(db, "2026-03-01T12:03:00Z");
    assert.equal(afterLease?.first_tried_at, at, "a worker died with it");
    const limited = { failure: "rate_limited", retry_after_ms: 60_000, not_stored: true };
    await settle(db, [failed(afterLease as Claimed, limited)], "2026-03-01T12:03:00Z");
    const [third] = await claim(db, "2026-03-01T13:03:00Z");
    assert.equal(third?.first_tried_at, at);
    await settle(db, [failed(third as Claimed, { tried: false })], "2026-03-01T13:03:00Z");
    assert.equal((await claim(db, "2026-03-01T14:03:00Z"))[0]?.first_tried_at, at);
  }));

test("the 22 hours count from the first try: what waited before has them still before it", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    const late = "2026-03-03T09:59:59Z";
    const first = await claimOne(db, late);
    assert.equal((await settle(db, [failed(first)], late)).retried, 1);
    const second = await claimOne(db, "2026-03-04T07:59:58Z");
    assert.equal((await settle(db, [failed(second)], "2026-03-04T07:59:59Z")).dead, 1);
  }));

test("a try that certainly did not go out is given back", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    const outcome = failed(await claimOne(db, at), { tried: false, failure: "broker" });
    assert.deepEqual(await settle(db, [outcome], at), { ...nothing, retried: 1 });
    const state = "select attempts, first_tried_at, failure, state, leased_until from notification";
    assert.deepEqual(await rows(db, state), [
      { attempts: 0, first_tried_at: null, failure: "broker", state: "pending", leased_until: null },
    ]);
    const delay = await delayS(db, at);
    assert.ok(delay >= 1.5 && delay <= 2.5, `${delay} s: not at once, or it would go round and round`);
    assert.deepEqual(await settle(db, [outcome], at), nothing, "it is nobody's any more");

    const later = "2026-03-01T12:05:00Z";
    await settle(db, [failed(await claimOne(db, later))], later);
    const latest = "2026-03-01T12:10:00Z";
    await settle(db, [failed(await claimOne(db, latest), { tried: false })], latest);
    assert.deepEqual(await rows(db, "select attempts, first_tried_at from notification"), [
      { attempts: 1, first_tried_at: later },
    ]);
  }));

test("what is released is due at once, for whoever claims it, and still says what went wrong before", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    await settle(db, [failed(await claimOne(db, at))], at);
    const state = `select state, attempts, first_tried_at, failure, last_error, leased_until, next_attempt_at from notification`;
    const later = "2026-03-01T12:05:00Z";
    const { id, attempt } = await claimOne(db, later);
    const released = { id, attempt, sent: false, failure: null, tried: false };
    assert.deepEqual(await settle(db, [released], later), { ...nothing, retried: 1 });
    assert.deepEqual(await rows(db, state), [
      {
        state: "pending",
        attempts: 1,
        first_tried_at: at,
        failure: "server",
        last_error: "it answered 503",
        leased_until: null,
        next_attempt_at: later,
      },
    ]);
    assert.equal((await claimOne(db, later)).attempt, 2);
  }));

test("several outcomes are settled together", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at, 3);
    const [a, b, c] = (await claim(db, at)) as [Claimed, Claimed, Claimed];
    const outcomes = [delivered(a), failed(b), failed(c, { permanent: true })];
    assert.deepEqual(await settle(db, outcomes, at), { sent: 1, retried: 1, dead: 1 });
  }));
