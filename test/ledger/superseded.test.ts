import assert from "node:assert/strict";
import { test } from "node:test";
import { aCluster, addReport, type Db, loadContent, rows, value } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();
const day = (n: number) => `2026-03-${String(n).padStart(2, "0")}T00:00:00Z`;

/** One issue, notified to target 1 at each of these days of March, in this order. Returns its number. */
async function toldOn(db: Db, cluster: string, days: number[]): Promise<string> {
  await loadContent(db, ["disk"]);
  await addReport(db, cluster, "2026-02-28T00:00:00Z", ["disk"]);
  const issue = String(await value(db, "select id from issue where cluster = $1", [cluster]));
  for (const n of days) await tell(db, issue, n);
  return issue;
}

const tell = (db: Db, issue: string, n: number) =>
  db.query(
    `with sent as (
       insert into notification (target_id, org_id, account_number, cluster, updated_at, decided_at, next_attempt_at)
       select 1, org_id, 0, cluster, $2, $2, $2 from issue where id = $1
       returning id)
     insert into notified_issue (notification_id, issue_id, target_id, notified_at, cooldown_period, occurrence, content_id, policy_id)
     select sent.id, $1, 1, $2, cooldown_period($2, '1 hour'), 1, (select min(id) from rule_content), (select min(id) from policy)
     from sent`,
    [issue, day(n)],
  );

/** When it was notified, and notified again, in days of March; null: it was not. */
async function chain(db: Db): Promise<[number, number | null][]> {
  const found = await rows(
    db,
    `select extract(day from notified_at at time zone 'UTC')::integer as notified,
       case when superseded_at < 'infinity' then extract(day from superseded_at at time zone 'UTC')::integer end as again
     from notified_issue where not resolved order by notified_at, superseded_at`,
  );
  return found.map(({ notified, again }) => [Number(notified), again === null ? null : Number(again)]);
}

async function lastNotified(db: Db, cluster: string, n: number): Promise<string | null> {
  const notified = await value(
    db,
    "select to_char(last_notified_at at time zone 'UTC', 'DD') from decide(1, $2, array[$1])",
    [cluster, day(n)],
  );
  return notified === null ? null : String(notified);
}

test("each notification says when it was followed by another, in whatever order they were written", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await toldOn(db, cluster, [5, 9, 2, 7]);
    assert.deepEqual(await chain(db), [
      [2, 5],
      [5, 7],
      [7, 9],
      [9, null],
    ]);
    for (const [at, notified] of [
      [2, null],
      [3, "02"],
      [5, "02"],
      [6, "05"],
      [8, "07"],
      [20, "09"],
    ] as const)
      assert.equal(await lastNotified(db, cluster, at), notified, `on the ${at}.`);
  }));

test("a notification that is deleted, or moved in time, leaves no gap", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await toldOn(db, cluster, [2, 5, 9]);
    await db.query("delete from notified_issue where notified_at = $1", [day(9)]);
    assert.deepEqual(await chain(db), [
      [2, 5],
      [5, null],
    ]);
    await db.query(
      "update notified_issue set notified_at = $1, cooldown_period = cooldown_period($1, '1 hour') where notified_at = $2",
      [day(1), day(5)],
    );
    assert.deepEqual(await chain(db), [
      [1, 2],
      [2, null],
    ]);
    await db.query("delete from notification");
    assert.deepEqual(await chain(db), []);
    assert.equal(await lastNotified(db, cluster, 20), null);
  }));

test("of two notifications at the same instant, as after one that was given up, one is the last", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    const issue = await toldOn(db, cluster, [2]);
    await db.query("update notified_issue set voided = tstzmultirange(tstzrange($1, null))", [day(3)]);
    await tell(db, issue, 2);
    assert.deepEqual(await chain(db), [
      [2, 2],
      [2, null],
    ]);
    assert.equal(await lastNotified(db, cluster, 4), "02");
  }));

test("a replay is no notification: it is never the last, and nothing is superseded by it", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await toldOn(db, cluster, [2, 9]);
    await db.query("update notification set state = 'sent', ended_at = decided_at");
    const replayed = await rows(db, "select issues from replay($1, $2, at => $3)", [day(1), day(4), day(5)]);
    assert.deepEqual(replayed, [{ issues: 1 }]);
    await db.query("delete from notified_issue where notified_at = $1", [day(9)]);
    assert.deepEqual(await rows(db, "select superseded_at::text from notified_issue order by notified_at"), [
      { superseded_at: "infinity" },
      { superseded_at: "-infinity" },
    ]);
    assert.equal(await lastNotified(db, cluster, 20), "02");
    assert.deepEqual(await rows(db, "select * from drift"), []);
  }));

test("where the last notification was given up, the one before counts", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await toldOn(db, cluster, [2, 5, 9]);
    await db.query(
      "update notified_issue set voided = tstzmultirange(tstzrange($1, null)) where notified_at = $2",
      [day(11), day(9)],
    );
    assert.equal(await lastNotified(db, cluster, 10), "09", "it was not given up yet");
    assert.equal(await lastNotified(db, cluster, 12), "05");
  }));
