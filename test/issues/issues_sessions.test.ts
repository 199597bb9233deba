import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { aCluster, addReport, decideDue, openIssues, rows } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { twoSessions, waitsForLock } from "../support/sessions.ts";

const database = testDatabase();
const [t1, t2, t3] = ["2026-03-01T01:00:00Z", "2026-03-01T02:00:00Z", "2026-03-01T03:00:00Z"];

beforeEach(async () => {
  await database.pool.query(
    `truncate new_reports, latest_report, issue, occurrence, render_failure, decision_due, decision_request, notification, notified_issue, reported;
     delete from graphile_worker._private_jobs;
     select ensure_partition('reported', '2026-03-01')`,
  );
});

test("a report that arrives while its cluster is being decided waits, and is decided after it", () =>
  twoSessions(database.pool, async (decider, writer) => {
    const cluster = aCluster();
    await addReport(database.pool, cluster, t1, ["disk"]);
    await decideDue(decider, t1);
    const written = addReport(writer, cluster, t2, ["disk", "net"]);
    await waitsForLock(database.pool, writer, written);
    await decider.query("commit");
    await written;
    await writer.query("commit");
    assert.deepEqual(await rows(database.pool, "select cluster, by_report from decision_due"), [
      { cluster, by_report: true },
    ]);
    assert.equal((await decideDue(database.pool, t2)).held, 4, "both issues, for each of two targets");
  }));

test("reports of one cluster from two writers take turns, and the newer one counts", async () => {
  for (const [earlier, later] of [
    [t2, t3],
    [t3, t2],
  ] as const) {
    await twoSessions(database.pool, async (first, second) => {
      const cluster = aCluster();
      await addReport(database.pool, cluster, t1, ["disk"]);
      await database.pool.query("delete from decision_due");
      const hits = { [t2]: ["disk", "old"], [t3]: ["new"] };
      await addReport(first, cluster, earlier, hits[earlier] ?? []);
      const written = addReport(second, cluster, later, hits[later] ?? []);
      await waitsForLock(database.pool, second, written);
      await first.query("commit");
      await written;
      await second.query("commit");
      assert.deepEqual(await openIssues(database.pool, cluster), ["new|KEY"]);
    });
  }
});

test("two writers that name a new rule at once agree on it", () =>
  twoSessions(database.pool, async (first, second) => {
    const [one, other] = [aCluster(), aCluster()];
    await addReport(first, one, t1, ["novel"]);
    const written = addReport(second, other, t1, ["novel"]);
    await waitsForLock(database.pool, second, written);
    await first.query("commit");
    await written;
    await second.query("commit");
    assert.deepEqual(await openIssues(database.pool, one), ["novel|KEY"]);
    assert.deepEqual(await openIssues(database.pool, other), ["novel|KEY"]);
  }));
