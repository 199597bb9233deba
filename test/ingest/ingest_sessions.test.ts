import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { aCluster, aMessage, aRejected, ingest, rows, value } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { twoSessions, waitsForLock } from "../support/sessions.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";
const nothing = { stored: 0, replaced: 0, unchanged: 0, rejected: 0, skipped: 0, elsewhere: 0 };

beforeEach(async () => {
  await database.pool.query(
    `truncate new_reports, latest_report, issue, occurrence, render_failure, decision_due, decision_request, notification, notified_issue, consumer_offset, rejected_message;
     delete from graphile_worker._private_jobs;
     select ensure_partition('new_reports', '2026-03-01')`,
  );
});

test("a consumer that lost its partition but does not know it stores nothing twice", () =>
  twoSessions(database.pool, async (owner, zombie) => {
    await ingest(database.pool, [aMessage(0, aCluster(), at, ["disk"])], { at });
    const [one, two] = [aMessage(1, aCluster(), at, ["disk"]), aRejected(2, "empty")];
    await ingest(owner, [one, two], { at });
    // the zombie read the same messages, and one more
    const stored = ingest(zombie, [one, two, aMessage(3, aCluster(), at, [])], { at });
    await waitsForLock(database.pool, zombie, stored);
    await owner.query("commit");
    assert.deepEqual(await stored, { ...nothing, stored: 1, skipped: 2, next_offset: "4" });
  }));

test("of two consumers that begin together, one has its turn after the other", () =>
  twoSessions(database.pool, async (first, second) =>
    rolledBack(database.pool, async (db) => {
      await ingest(database.pool, [aMessage(0, aCluster(), at, [])], { at });
      await db.query("lock table new_reports in share mode"); // holds them both in the middle
      const batch = [aMessage(1, aCluster(), at, ["disk"])];
      const one = ingest(first, batch, { at });
      await waitsForLock(database.pool, first, one);
      const other = ingest(second, batch, { at });
      await waitsForLock(database.pool, second, other);
      await db.query("commit");
      assert.deepEqual(await one, { ...nothing, stored: 1, next_offset: "2" });
      await first.query("commit");
      assert.deepEqual(await other, { ...nothing, skipped: 1, next_offset: "2" });
    }),
  ));

test("also on the very first batch of a partition", () =>
  twoSessions(database.pool, async (owner, zombie) => {
    const batch = [aMessage(0, aCluster(), at, ["disk"])];
    await ingest(owner, batch, { at });
    const stored = ingest(zombie, batch, { at });
    await waitsForLock(database.pool, zombie, stored);
    await owner.query("commit");
    assert.deepEqual(await stored, { ...nothing, skipped: 1, next_offset: "1" });
  }));

test("when the first consumer fails, the one that waited stores its messages", () =>
  twoSessions(database.pool, async (first, second) => {
    const batch = [aMessage(0, aCluster(), at, ["disk"])];
    await ingest(first, batch, { at });
    const stored = ingest(second, batch, { at });
    await waitsForLock(database.pool, second, stored);
    await first.query("rollback");
    assert.deepEqual(await stored, { ...nothing, stored: 1, next_offset: "1" });
  }));

test("an offset never goes back", () =>
  twoSessions(database.pool, async (owner, zombie) => {
    const batch = [0, 1, 2].map((offset) => aMessage(offset, aCluster(), at, []));
    await ingest(owner, batch, { at });
    const stored = ingest(zombie, batch.slice(0, 1), { at });
    await waitsForLock(database.pool, zombie, stored);
    await owner.query("commit");
    assert.equal((await stored).next_offset, "3");
  }));

test("a day without a partition gets one, an old or far day goes to the default", () =>
  rolledBack(database.pool, async (db) => {
    const days = {
      "2026-02-14T12:00:00Z": "new_reports_default", // before the last 14 days
      "2026-02-15T12:00:00Z": "new_reports_20260215",
      "2026-02-28T23:59:59.999999Z": "new_reports_20260228",
      "2026-03-01T00:00:00Z": "new_reports_20260301",
      "2026-03-02T12:00:00Z": "new_reports_20260302",
      "2026-03-02T12:00:01Z": "new_reports_20260302", // more than a day ahead, but the day is there
      "2026-03-03T00:00:00Z": "new_reports_default",
      "1970-01-01T00:00:00Z": "new_reports_default",
    };
    // where fewer days are kept, fewer are made: test/retain/retain.test.ts
    await db.query("select set_retention('new_reports', '30 days')");
    const batch = Object.keys(days).map((day, offset) => aMessage(offset, aCluster(), day, []));
    await ingest(db, batch, { at: "2026-03-01T12:00:00Z" });
    assert.deepEqual(
      await rows(
        db,
        "select updated_at, tableoid::regclass::text as partition from new_reports order by kafka_offset",
      ),
      Object.entries(days).map(([updated_at, partition]) => ({ updated_at, partition })),
    );
  }));

test("days are those of UTC, whatever the time zone of the session", () =>
  rolledBack(database.pool, async (db) => {
    await db.query("set local timezone = 'Pacific/Kiritimati'");
    await ingest(db, [aMessage(0, aCluster(), "2026-02-27T23:59:59Z", [])], { at });
    assert.equal(await value(db, "select tableoid::regclass::text from new_reports"), "new_reports_20260227");
  }));
