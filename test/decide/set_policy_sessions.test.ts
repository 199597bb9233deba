import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import {
  aCluster,
  addReport,
  type Db,
  decideDue,
  loadContent,
  notificationsBackend,
  rows,
  setPolicy,
} from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { twoSessions, waitsForLock } from "../support/sessions.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";

const ends = async (db: Db) =>
  (
    await rows(
      db,
      "select upper(cooldown_period) as ends from notified_issue where target_id = 1 order by told_at, issue_id",
    )
  ).map((row) => row.ends);

const setCooldown = (db: Db, cooldown: string, when: string) =>
  setPolicy(db, notificationsBackend, { cooldown }, when);

beforeEach(async () => {
  await database.pool.query(
    `truncate new_reports, latest_report, issue, decision_due, notification, notified_issue, reported, rule_content, filter_result;
     delete from graphile_worker._private_jobs;
     select ensure_partition('reported', '2026-03-01')`,
  );
});

test("two changes of a policy at once: the second waits, and changes what the first made of it", () =>
  twoSessions(database.pool, async (first, second) => {
    await setPolicy(first, notificationsBackend, { cooldown: "1 day" }, "2026-03-01T11:00:00Z");
    const changed = setPolicy(second, notificationsBackend, { max_events: 5 }, "2026-03-01T12:00:00Z");
    await waitsForLock(database.pool, second, changed);
    await first.query("commit");
    try {
      await changed;
      assert.deepEqual(
        await rows(
          second,
          "select cooldown::text, max_events from policy where target_id = 1 and upper_inf(validity)",
        ),
        [{ cooldown: "1 day", max_events: 5 }],
      );
    } finally {
      await second.query("rollback");
      await restorePolicy();
    }
  }));

test("a change of policy waits for the decision that is being made, and the ledger follows it", () =>
  twoSessions(database.pool, async (decider, person) => {
    await loadContent(database.pool, ["disk"]);
    await addReport(database.pool, aCluster(), at, ["disk"]);
    assert.equal((await decideDue(decider, at)).told, 1);
    const changed = setCooldown(person, "1 day", "2026-03-01T12:00:01Z");
    await waitsForLock(database.pool, person, changed);
    await decider.query("commit");
    await changed;
    assert.deepEqual(await ends(person), ["2026-03-02T12:00:00Z"]);
  }));

test("a decision waits for the change of policy that is being made, and goes by the new one", () =>
  twoSessions(database.pool, async (person, decider) => {
    await loadContent(database.pool, ["disk"]);
    await addReport(database.pool, aCluster(), at, ["disk"]);
    await setCooldown(person, "1 day", "2026-03-01T11:00:00Z");
    const decided = decideDue(decider, at);
    await waitsForLock(database.pool, decider, decided);
    await person.query("commit");
    assert.equal((await decided).told, 1);
    assert.deepEqual(await ends(decider), ["2026-03-02T12:00:00Z"]);
    await decider.query("rollback");
    await restorePolicy();
  }));

async function restorePolicy(): Promise<void> {
  await database.pool.query(
    `delete from policy where target_id = 1 and lower(validity) > '-infinity';
     update policy set validity = '[-infinity,)' where target_id = 1`,
  );
}
