import assert from "node:assert/strict";
import { test } from "node:test";
import { failureReasons } from "../../src/errors.ts";
import { claimOne, failed, rows, settle, someMessages, value } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";

test("the kinds of failure are the same in the database and in the program", async () => {
  const check = String(
    await value(
      database.pool,
      "select pg_get_constraintdef(oid) from pg_constraint where conname = 'notification_failure_check'",
    ),
  );
  const inDatabase = [...check.matchAll(/'(\w+)'/g)].map(([, name]) => name);
  assert.deepEqual(inDatabase.toSorted(), [...failureReasons].sort());
});

for (const failure of failureReasons)
  test(`a message can fail by ${failure}, for good or to be tried again`, () =>
    rolledBack(database.pool, async (db) => {
      await someMessages(db, at);
      const claimed = await claimOne(db, at);
      await settle(db, [failed(claimed, { failure })], at);
      assert.deepEqual(await rows(db, "select state, failure from notification"), [
        { state: "pending", failure },
      ]);
      await db.query("update circuit set opened_at = null, retry_at = null");
      const again = await claimOne(db, "2026-03-01T12:05:00Z");
      await settle(db, [failed(again, { failure, permanent: true })], at);
      assert.deepEqual(
        await rows(
          db,
          "select state, failure from dead_letter cross join lateral (select 'dead' as state) s",
        ),
        [{ state: "dead", failure }],
      );
    }));
