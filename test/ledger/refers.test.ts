import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { aCluster, addReport, decideDue, loadContent, reportAndDecide } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { refused, twoSessions, waitsForLock } from "../support/sessions.ts";

const database = testDatabase();
const at = "2026-03-01T00:00:00Z";

/** One issue is notified, and another message waits for an entry. */
async function notified(db: PoolClient): Promise<void> {
  await loadContent(db, ["disk"]);
  assert.equal((await reportAndDecide(db, aCluster(), at, ["disk"])).notified, 1);
  await db.query(
    `insert into notification (id, target_id, org_id, account_number, cluster, updated_at, decided_at, next_attempt_at)
     select 9000, 2, 1, 0, 'x', decided_at, decided_at, decided_at from notification`,
  );
}

/** As by a foreign key, also for whoever rewrites history. */
async function isRefused(db: PoolClient, statement: string): Promise<void> {
  await db.query("set local ccx.rewrite_history = on");
  await refused(db, ["23503", /ledger/], () => db.query(statement));
}

/** An entry for the other message, of the issue and content that were notified, so much further on. */
const entry = (issue: number, content: number) =>
  `insert into notified_issue
     (notification_id, issue_id, target_id, notified_at, cooldown_period, occurrence, content_id, policy_id)
   select 9000, issue_id + ${issue}, 2, notified_at, cooldown_period, occurrence, content_id + ${content}, policy_id
   from notified_issue`;

test("the ledger refuses an issue or a version of content that does not exist", () =>
  rolledBack(database.pool, async (db) => {
    await notified(db);
    await isRefused(db, entry(1000, 0));
    await isRefused(db, entry(0, 1000));
    await isRefused(db, "update notified_issue set issue_id = issue_id + 1000");
    await isRefused(db, "update notified_issue set content_id = content_id + 1000");
    await db.query(entry(0, 0));
  }));

test("what the ledger names is not deleted, not even by whoever rewrites history", () =>
  rolledBack(database.pool, async (db) => {
    await notified(db);
    await isRefused(db, "with gone as (delete from occurrence) delete from issue");
    await isRefused(db, "delete from rule_content");
    await isRefused(db, "truncate issue, occurrence, render_failure");
    await isRefused(db, "truncate rule_content, filter_result, render_failure, doubtful_text");
    await db.query("truncate notification, notified_issue");
    await db.query("delete from rule_content; delete from issue");
  }));

for (const [what, deletion] of [
  ["an issue", "with gone as (delete from occurrence) delete from issue"],
  ["a version of content", "delete from rule_content"],
] as const)
  test(`whoever deletes ${what} waits for a decision that notifies of it, and is refused`, () =>
    twoSessions(database.pool, async (decider, somebody) => {
      await loadContent(database.pool, ["disk"]);
      const cluster = aCluster();
      await addReport(database.pool, cluster, at, ["disk"]);
      assert.equal((await decideDue(decider, at)).notified, 1);
      const deleted = isRefused(somebody, deletion);
      await waitsForLock(database.pool, somebody, deleted);
      await decider.query("commit");
      await deleted;
    }));
