import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import {
  claim,
  claimOne,
  delivered,
  failed,
  rows,
  settle,
  someMessages,
  value,
} from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { twoSessions, waitsForLock } from "../support/sessions.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";
const nothing = { sent: 0, retried: 0, dead: 0 };

beforeEach(async () => {
  await database.pool.query(
    `truncate new_reports, latest_report, issue, occurrence, render_failure, decision_due, decision_request, notification, notified_issue, reported;
     delete from graphile_worker._private_jobs`,
  );
});

test("workers that claim at once get different messages, without waiting", async () => {
  await someMessages(database.pool, at, 3);
  await twoSessions(database.pool, async (first, second) => {
    await second.query("set local lock_timeout = '2s'");
    const [some, others] = [await claim(first, at, 2), await claim(second, at)];
    assert.equal(some.length, 2);
    assert.equal(others.length, 1);
    assert.ok(!some.some(({ id }) => id === others[0]?.id));
  });
});

test("a worker that fails while another one succeeds does not undo the success", async () => {
  await someMessages(database.pool, at);
  const late = await claimOne(database.pool, at);
  const present = await claimOne(database.pool, "2026-03-01T12:05:00Z");
  await twoSessions(database.pool, async (first, second) => {
    assert.deepEqual(await settle(first, [delivered(late)], at), { ...nothing, sent: 1 });
    const settled = settle(second, [failed(present, { permanent: true })], at);
    await waitsForLock(database.pool, second, settled);
    await first.query("commit");
    assert.deepEqual(await settled, nothing);
    assert.deepEqual(await rows(second, "select state, last_error from notification"), [
      { state: "sent", last_error: null },
    ]);
    assert.equal(await value(second, "select live from notified_issue"), true);
  });
});

test("a message that is committed while a claim begins is claimed with all that it says", async () => {
  await someMessages(database.pool, at);
  await twoSessions(database.pool, async (first, second) => {
    // the claim has begun, and waits, when the second message comes
    await first.query("lock table circuit in access exclusive mode");
    const claimed = claim(second, at);
    await waitsForLock(database.pool, second, claimed);
    await someMessages(first, at, 1);
    await first.query("commit");
    const messages = await claimed;
    assert.equal(messages.length, 2);
    for (const message of messages) assert.ok(Array.isArray(message.issues), String(message.id));
  });
});
