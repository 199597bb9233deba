import assert from "node:assert/strict";
import { test } from "node:test";
import { addReport, decideDue, loadContent, rows } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { twoSessions, waitsForLock } from "../support/sessions.ts";

const database = testDatabase();
const notifiedAt = "2026-03-01T12:00:00Z";
const sweptAt = "2026-03-08T12:00:00Z"; // the cooldown of 7 days ends

test("a sweep that brings back what was put aside and what a cooldown held does not deadlock with reports", () =>
  twoSessions(database.pool, async (reports, sweeper) => {
    const { pool } = database;
    const [stuck, held] = ["00000000-0000-4000-8000-000000000001", "ffffffff-0000-4000-8000-000000000001"];
    await loadContent(pool, ["disk"]);
    await pool.query("select sweep($1)", [notifiedAt]);
    await addReport(pool, held, notifiedAt, ["disk"]);
    await decideDue(pool, notifiedAt);
    await pool.query("update notification set state = 'sent', ended_at = decided_at, result = '{}'");
    await addReport(pool, held, "2026-03-08T10:00:00Z", ["disk"]);
    await decideDue(pool, "2026-03-08T10:00:00Z");
    await pool.query(
      `insert into stuck_cluster (org_id, cluster, reason, since, next_try_at, by_report)
       values (1, $1, 'for the test', $2, $2, true)`,
      [stuck, notifiedAt],
    );

    const report = (cluster: string) =>
      reports.query("select mark_due(array[1], array[$1], array[true])", [cluster]);
    await report(stuck);
    const swept = rows(sweeper, "select cooldowns_ended from sweep($1)", [sweptAt]);
    await waitsForLock(pool, sweeper, swept);
    await report(held);
    await reports.query("commit");
    assert.deepEqual(await swept, [{ cooldowns_ended: 1 }]);
    await sweeper.query("commit");
    assert.deepEqual(await rows(pool, "select cluster, by_report from decision_due order by cluster"), [
      { cluster: stuck, by_report: true },
      { cluster: held, by_report: true },
    ]);
  }));
