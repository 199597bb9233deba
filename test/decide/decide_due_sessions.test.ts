import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  addReport,
  addReports,
  aMessage,
  aRejected,
  claim,
  decideDue,
  ingest,
  loadContent,
  notified,
  rows,
  settle,
  someContent,
  value,
} from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { addSilence, disableRule, endSilence, setScopedPolicy, toggleRule } from "../support/policies.ts";
import { twoSessions, waitsForLock } from "../support/sessions.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";

beforeEach(async () => {
  await database.pool.query(
    `truncate new_reports, latest_report, issue, occurrence, render_failure, decision_due, decision_request, notification, notified_issue, reported;
     delete from graphile_worker._private_jobs;
     select ensure_partition('reported', '2026-03-01')`,
  );
  await loadContent(database.pool, ["disk", "net"]);
  // the partitions are there
  await database.pool.query("select sweep($1)", [at]);
});

test("a decider passes over the clusters that another one holds, without waiting", () =>
  twoSessions(database.pool, async (first, second) => {
    const clusters = [aCluster(), aCluster(), aCluster()];
    await addReports(
      database.pool,
      clusters.map((cluster) => ({ cluster, at, hits: ["without_content"] })),
    );
    assert.equal((await decideDue(first, at, 2)).clusters, 2);
    await second.query("set local lock_timeout = '2s'");
    assert.equal((await decideDue(second, at)).clusters, 1);
    await first.query("commit");
    assert.equal((await decideDue(second, at)).clusters, 0);
  }));

test("two deciders at once tell everything, and nothing twice", () =>
  twoSessions(database.pool, async (first, second) => {
    const clusters = [aCluster(), aCluster(), aCluster()];
    await addReports(
      database.pool,
      clusters.map((cluster) => ({ cluster, at, hits: ["disk"] })),
    );
    await decideDue(first, at, 2);
    await second.query("set local lock_timeout = '2s'");
    assert.deepEqual(await decideDue(second, at), { clusters: 1, notifications: 1, notified: 1, held: 1 });
    await second.query("commit; begin");
    await first.query("commit");
    for (const cluster of clusters) assert.deepEqual(await notified(database.pool, cluster), [["disk|KEY"]]);
  }));

test("a cluster whose decision was rolled back is decided again", () =>
  twoSessions(database.pool, async (first, second) => {
    const cluster = aCluster();
    await addReport(database.pool, cluster, at, ["disk"]);
    assert.equal((await decideDue(first, at)).notified, 1);
    await first.query("rollback");
    assert.equal((await decideDue(second, at)).notified, 1);
    assert.deepEqual(await notified(second, cluster), [["disk|KEY"]]);
  }));

test("an issue that somebody else notified meanwhile is left out of the message", () =>
  twoSessions(database.pool, async (somebody, decider) => {
    const cluster = aCluster();
    await addReport(database.pool, cluster, at, ["disk", "net"]);
    await tellByHand(somebody, cluster, "disk");
    const decided = decideDue(decider, at);
    await waitsForLock(database.pool, decider, decided);
    await somebody.query("commit");
    assert.deepEqual(await decided, { clusters: 1, notifications: 1, notified: 1, held: 2 });
    assert.deepEqual(await notified(decider, cluster), [["disk|KEY"], ["net|KEY"]]);
  }));

test("a message of which nothing is left is not sent", () =>
  twoSessions(database.pool, async (somebody, decider) => {
    const [cluster, other] = [aCluster(), aCluster()];
    await addReport(database.pool, cluster, at, ["disk"]);
    await addReport(database.pool, other, at, ["disk"]);
    await tellByHand(somebody, cluster, "disk");
    const decided = decideDue(decider, at);
    await waitsForLock(database.pool, decider, decided);
    await somebody.query("commit");
    assert.deepEqual(await decided, { clusters: 2, notifications: 1, notified: 1, held: 2 });
    assert.deepEqual(await notified(decider, cluster), [["disk|KEY"]]);
    assert.deepEqual(await notified(decider, other), [["disk|KEY"]]);
    const states = await rows(decider, "select state from notification where cluster = $1", [cluster]);
    assert.deepEqual(states, [{ state: "sent" }], "only the one that was notified by hand");
  }));

/** Writes message and ledger as a person at psql would. */
async function tellByHand(db: PoolClient, cluster: string, rule: string): Promise<void> {
  const id = await value(
    db,
    `insert into notification
       (target_id, org_id, account_number, cluster, updated_at, decided_at, state, next_attempt_at, ended_at)
     values (1, 1, 0, $1, $2, $2, 'sent', $2, $2)
     returning id`,
    [cluster, at],
  );
  await db.query(
    `insert into notified_issue
       (notification_id, issue_id, target_id, notified_at, cooldown_period, occurrence, content_id, policy_id)
     select $1, i.id, 1, $3, tstzrange($3, $3::timestamptz + interval '1 day'), 1, c.id,
       (select id from policy where target_id = 1)
     from issue i join rule r on r.id = i.rule_id join rule_content c on c.rule_name = r.rule_name
     where i.cluster = $2 and r.rule_name = $4`,
    [id, cluster, at, rule],
  );
}

/** Whatever people and programs write, or have a function of ours write, in a transaction of their own. */
const openWriters: Record<string, (db: PoolClient) => Promise<unknown>> = {
  "a report": (db) => addReport(db, "somebody else's", at, ["disk"]),
  "a report without hits": (db) => addReport(db, "somebody else's", at, []),
  "a message": (db) => ingest(db, [aMessage(7, "somebody else's", at, ["disk"])], { at, partition: 77 }),
  "a message that is rejected": (db) => ingest(db, [aRejected(9, "empty")], { at, partition: 99 }),
  "a decision": async (db) => {
    await addReport(db, "somebody else's", at, ["disk"]);
    await decideDue(db, at);
  },
  "a claim that is settled": async (db) => {
    await addReport(db, "somebody else's", at, ["disk"]);
    await decideDue(db, at);
    const [taken] = await claim(db, at, 1);
    await settle(db, [{ id: taken?.id, attempt: taken?.attempt, sent: true, result: {} }], at);
  },
  "a sweep": (db) => db.query("select sweep($1)", [at]),
  "a wake-up": (db) =>
    db.query("select wake_decide(), wake_delivery(name), wake_dead_letters() from event_targets"),
  "a rule that is acknowledged": (db) => disableRule(db, 99, "disk", "KEY"),
  "a rule that is not acknowledged any more": async (db) => {
    await disableRule(db, 99, "disk", "KEY");
    await db.query("delete from rule_disable");
  },
  "a rule that is switched off for a cluster": (db) => toggleRule(db, "somebody else's", "disk", "KEY"),
  "a silence": (db) => addSilence(db, { org_id: 99 }),
  "a silence that ends": async (db) => endSilence(db, (await addSilence(db, { org_id: 99 })).id, at),
  "a policy": (db) => setScopedPolicy(db, {}, { max_events: 99 }, new Date().toISOString()),
  "content that is loaded": (db) =>
    loadContent(db, [someContent("disk", { impact: 4 }), "net"], "2026-02-15T00:00:00Z"),
  "a request for decisions": (db) => db.query("select request_decisions('by hand')"),
};

for (const [partition, [what, write]] of Object.entries(openWriters).entries()) {
  test(`while somebody's transaction stays open after ${what}, others' reports are stored, decided and delivered`, () =>
    twoSessions(database.pool, async (somebody, service) => {
      await write(somebody);
      await service.query("set local lock_timeout = '2s'");
      const cluster = aCluster();
      await ingest(service, [aMessage(0, cluster, at, ["disk"]), aRejected(1, "empty")], { at, partition });
      await decideDue(service, at);
      assert.deepEqual(await notified(service, cluster), [["disk|KEY"]]);
      const messages = await claim(service, at);
      const outcomes = messages.map(({ id, attempt }) => ({ id, attempt, sent: true, result: {} }));
      assert.equal((await settle(service, outcomes, at)).sent, messages.length);
      await addReport(service, aCluster(), at, ["net"]);
      await service.query("select sweep($1)", [at]);
      await service.query("commit; begin");
    }));
}
