import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { lineOf } from "../../src/cli/tail.ts";
import {
  type Claimed,
  claim,
  delivered,
  failed,
  rows,
  settle,
  settleAll,
  someMessages,
} from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { twoSessions, waitsForLock } from "../support/sessions.ts";
import { until } from "../support/until.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";

beforeEach(async () => {
  await database.pool.query(
    `truncate new_reports, latest_report, issue, occurrence, render_failure, decision_due, decision_request, notification,
       notified_issue, reported;
     delete from graphile_worker._private_jobs;
     update circuit set failures = 0, failed_messages = '{}', opened_at = null, retry_at = null, probe_until = null, failed_probes = 0`,
  );
});

test("of workers that claim at once from a half-open circuit one gets the probe, the other nothing, without waiting", async () => {
  // more than the probe looks at: those locked by the first would be passed over anyway
  await someMessages(database.pool, at, 104);
  await database.pool.query("update circuit set opened_at = $1, retry_at = $1", [at]);
  await twoSessions(database.pool, async (first, second) => {
    await second.query("set local lock_timeout = '2s'");
    assert.equal((await claim(first, at)).length, 3);
    assert.deepEqual(await claim(second, at), []);
    await first.query("commit");
    assert.deepEqual(await claim(second, at), []);
  });
});

test("workers that fail at once are all counted", async () => {
  await someMessages(database.pool, at, 5);
  const claims = (await claim(database.pool, at)) as Claimed[];
  await settle(
    database.pool,
    claims.slice(0, 3).map((claimed) => failed(claimed)),
    at,
  );
  await twoSessions(database.pool, async (first, second) => {
    assert.equal((await settleAll(first, [failed(claims[3] as Claimed)], at)).circuit, null);
    const settled = settleAll(second, [failed(claims[4] as Claimed)], at);
    await waitsForLock(database.pool, second, settled);
    await first.query("commit");
    assert.equal((await settled).circuit, "opened");
  });
});

test("workers that succeed do not wait for each other", async () => {
  await someMessages(database.pool, at, 2);
  const [one, two] = (await claim(database.pool, at)) as [Claimed, Claimed];
  await twoSessions(database.pool, async (first, second) => {
    await second.query("set local lock_timeout = '2s'");
    await settle(first, [delivered(one)], at);
    await settle(second, [delivered(two)], at);
    assert.deepEqual(await rows(second, "select failures from circuit where target_id = 1"), [
      { failures: 0 },
    ]);
  });
});

test("whoever watches sees it open and close", async () => {
  await someMessages(database.pool, at, 6);
  const claims = (await claim(database.pool, at)) as Claimed[];
  const seen: string[] = [];
  const listener = await database.pool.connect();
  try {
    listener.on("notification", ({ payload = "" }) => seen.push(lineOf(payload).replace(/^[\d:]+ +/, "")));
    await listener.query("listen ccx_events");
    const failing = claims.slice(0, 5).map((claimed) => failed(claimed));
    await settle(database.pool, failing, at);
    await settle(database.pool, [delivered(claims[5] as Claimed)], "2026-03-01T13:00:00Z");
    await until("both are announced", () => seen.filter((line) => line.startsWith("circuit")).length === 2);
    assert.deepEqual(
      seen.filter((line) => line.startsWith("circuit")),
      [
        "circuit    notifications backend  state open, failure server",
        "circuit    notifications backend  state closed",
      ],
    );
  } finally {
    listener.removeAllListeners("notification");
    listener.release(true);
  }
});
