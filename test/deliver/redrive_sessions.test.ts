import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aCluster,
  addReport,
  claimOne,
  type Db,
  decideDue,
  delivered,
  failed,
  loadContent,
  reportAndDecide,
  rows,
  settle,
  someMessages,
  value,
} from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { twoSessions, waitsForLock } from "../support/sessions.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";
const later = "2026-03-01T14:00:00Z";
const redrive = "select refusal from redrive(array(select id from notification where state = 'dead'), $1)";

test("a redrive and a decision that tells the same at this moment: the decision is first, the redrive refused", async () => {
  const [cluster = ""] = await someMessages(database.pool, at);
  await settle(database.pool, [failed(await claimOne(database.pool, at), { permanent: true })], at);
  await twoSessions(database.pool, async (first, second) => {
    await addReport(first, cluster, later, ["disk"]);
    assert.equal((await decideDue(first, later)).notified, 1);
    const redriven = rows(second, redrive, [later]);
    await waitsForLock(database.pool, second, redriven);
    await first.query("commit");
    assert.deepEqual(await redriven, [{ refusal: "its issues are being notified at this moment" }]);
    await second.query("commit");
  });
  const state =
    "select n.state, i.live from notification n join notified_issue i on i.notification_id = n.id order by n.id";
  assert.deepEqual(await rows(database.pool, state), [
    { state: "dead", live: false },
    { state: "pending", live: true },
  ]);
});

test("two people redrive at once: one does, the other hears that it is done", async () => {
  await database.pool.query("delete from notification where state = 'pending'");
  await twoSessions(database.pool, async (first, second) => {
    const ids = "select array_agg(id) as ids from notification where state = 'dead'";
    const [dead] = await rows(first, ids);
    const one = "select refusal from redrive($1, $2)";
    assert.deepEqual(await rows(first, one, [dead?.ids, later]), [{ refusal: null }]);
    const other = rows(second, one, [dead?.ids, later]);
    await waitsForLock(database.pool, second, other);
    await first.query("commit");
    assert.deepEqual(await other, [{ refusal: "it is not dead" }]);
  });
});

/** One message that was given up, and nothing else. */
async function deadMessage(): Promise<void> {
  await database.pool.query("truncate notification, notified_issue, reported");
  await someMessages(database.pool, at);
  await settle(database.pool, [failed(await claimOne(database.pool, at), { permanent: true })], at);
}

const states = async () =>
  (
    await rows(database.pool, "select state, replay_of is not null as replay from notification order by id")
  ).map(({ state, replay }) => `${state}${replay ? " replay" : ""}`);

const redriven = (db: Db) => rows(db, redrive, [later]);
const replayed = (db: Db) =>
  rows(db, "select messages from replay('2026-03-01', '2026-03-01 13:00Z', at => $1)", [later]);

test("a replay and a redrive of the same message at once: whichever is second does nothing", async () => {
  await deadMessage();
  await twoSessions(database.pool, async (first, second) => {
    assert.deepEqual(await replayed(first), [{ messages: 1 }]);
    const other = redriven(second);
    await waitsForLock(database.pool, second, other);
    await first.query("commit");
    assert.deepEqual(await other, [{ refusal: "it has been replayed" }]);
    await second.query("commit");
  });
  assert.deepEqual(await states(), ["dead", "pending replay"]);

  await deadMessage();
  await twoSessions(database.pool, async (first, second) => {
    assert.deepEqual(await redriven(first), [{ refusal: null }]);
    const other = replayed(second);
    await waitsForLock(database.pool, second, other);
    await first.query("commit");
    assert.deepEqual(await other, []);
    await second.query("commit");
  });
  assert.deepEqual(await states(), ["pending"]);
});

test("a replay and a decision at once: the issue is decided on once, and was notified last by the decision", async () => {
  for (const replayFirst of [true, false]) {
    await deadMessage();
    const cluster = aCluster();
    await reportAndDecide(database.pool, cluster, "2026-02-01T00:00Z", ["disk"]);
    await settle(
      database.pool,
      [delivered(await claimOne(database.pool, "2026-02-01T00:00Z"))],
      "2026-02-01T00:00Z",
    );
    const replay = (db: Db) =>
      rows(db, "select issues from replay('2026-02-01', '2026-02-02', at => $1)", [at]);
    const decide = async (db: Db) => {
      await addReport(db, cluster, at, ["disk"]);
      return (await decideDue(db, at)).notified;
    };
    await twoSessions(database.pool, async (first, second) => {
      await (replayFirst ? replay(first) : decide(first));
      const other = replayFirst ? decide(second) : replay(second);
      // it need not wait
      await Promise.race([other, waitsForLock(database.pool, second, other).catch(() => {})]);
      await first.query("commit");
      await other;
      await second.query("commit");
    });
    assert.deepEqual(
      await rows(database.pool, "select last_notified_at from decide(1, $1, array[$2])", [later, cluster]),
      [{ last_notified_at: at }],
    );
    assert.deepEqual(await rows(database.pool, "select * from drift"), []);
  }
});

/**
 * A dead message of two issues is brought back at the moment at which a decision tells both, the other way
 * round: each waits for the other. The decision must not be the one that PostgreSQL ends.
 */
async function inACircle<T>(bringBack: (db: Db) => Promise<T>): Promise<T> {
  await database.pool.query("truncate notification, notified_issue, reported");
  await loadContent(database.pool, ["disk", "net"]);
  const cluster = aCluster();
  await reportAndDecide(database.pool, cluster, at, ["disk", "net"]);
  await settle(database.pool, [failed(await claimOne(database.pool, at), { permanent: true })], at);
  const issues = await rows(database.pool, "select issue_id from notified_issue order by ctid");
  const tell = (db: Db, issue: unknown) =>
    db.query(
      `with sent as (
         insert into notification (target_id, org_id, account_number, cluster, updated_at, decided_at, next_attempt_at)
         select 1, org_id, 0, cluster, $2, $2, $2 from issue where id = $1
         returning id)
       insert into notified_issue (notification_id, issue_id, target_id, notified_at, cooldown_period, occurrence, content_id, policy_id)
       select sent.id, $1, 1, $2, cooldown_period($2, '1 day'), 1, i.content_id, i.policy_id
       from sent cross join (select * from notified_issue limit 1) i`,
      [issue, later],
    );
  return twoSessions(database.pool, async (first, second) => {
    await first.query("set local deadlock_timeout = '1min'");
    await second.query("set local deadlock_timeout = '1s'");
    await tell(first, issues[1]?.issue_id);
    const other = bringBack(second);
    await waitsForLock(database.pool, second, other);
    const decision = tell(first, issues[0]?.issue_id);
    const [answer] = await Promise.allSettled([other, decision.then(() => first.query("commit"))]);
    await decision;
    if (answer.status === "rejected") throw answer.reason;
    return answer.value;
  });
}

test("a redrive or a replay that waits for a decision which waits for it gives way, and says so", async () => {
  assert.deepEqual(await inACircle(redriven), [{ refusal: "its issues are being notified at this moment" }]);
  await assert.rejects(inACircle(replayed), { code: "NTD01" });
});

test("what waits for a message counts from when it has it, not from when it began", async () => {
  const settle = `select * from settle_notifications(
    (select jsonb_agg(jsonb_build_object('id', id, 'attempt', attempts, 'sent', true)) from notification))`;
  const redrive = "select * from redrive(array(select id from notification))";
  for (const [statement, column] of [
    [redrive, "redriven_at"],
    [settle, "ended_at"],
  ] as const) {
    await deadMessage();
    await database.pool.query("update notification set first_tried_at = now()");
    await twoSessions(database.pool, async (first, second) => {
      await first.query("select from notification for update");
      const other = second.query(statement);
      await waitsForLock(database.pool, second, other);
      const clock = await value(database.pool, "select clock_timestamp()");
      await first.query("commit");
      await other;
      assert.equal(await value(second, `select ${column} > $1 from notification`, [clock]), true, column);
    });
  }
});
