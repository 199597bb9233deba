import assert from "node:assert/strict";
import { test } from "node:test";
import { rows } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();

const cases: [toldAt: string, cooldown: string, end: string][] = [
  // the clocks of St. John's change on 8 March and 1 November 2026
  ["2026-03-07T12:00:00Z", "7 days", "2026-03-14T12:00:00Z"],
  ["2026-10-31T12:00:00Z", "1 day", "2026-11-01T12:00:00Z"],
  ["2026-03-08T05:15:00Z", "24:00:00", "2026-03-09T05:15:00Z"],
  ["2026-03-01T01:00:00Z", "1 month", "2026-04-01T01:00:00Z"], // still February there
  ["2026-01-31T00:00:00Z", "1 month", "2026-02-28T00:00:00Z"],
  ["2026-03-01T00:00:00.123456Z", "0", "2026-03-01T00:00:00.123456Z"],
];

test("a cooldown counts days and months in UTC, whatever the time zone of the session", () =>
  rolledBack(database.pool, async (db) => {
    for (const zone of ["UTC", "America/St_Johns", "Pacific/Kiritimati"]) {
      await db.query(`set local timezone = '${zone}'`);
      for (const [toldAt, cooldown, end] of cases) {
        const sql = "select add_in_utc($1, $2) as ends, add_in_utc($1, $2) = $3::timestamptz as right";
        const [answer] = await rows(db, sql, [toldAt, cooldown, end]);
        assert.ok(
          answer?.right,
          `${toldAt} + ${cooldown} is ${end}, not ${answer?.ends} (session in ${zone})`,
        );
      }
    }
  }));
