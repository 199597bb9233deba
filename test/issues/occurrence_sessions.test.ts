import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  addReport,
  aReport,
  type Db,
  decideDue,
  loadContent,
  notified,
  rows,
  value,
} from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { twoSessions, waitsForLock } from "../support/sessions.ts";

const database = testDatabase();

// These tests use the database's clock, as the service does: reports that do not say when they arrived, and
// decisions without a time.

beforeEach(async () => {
  await database.pool.query(
    `truncate new_reports, latest_report, issue, occurrence, render_failure, decision_due, decision_request, notification, notified_issue, reported;
     delete from graphile_worker._private_jobs;
     select ensure_partition('reported', (now() at time zone 'UTC')::date)`,
  );
  await loadContent(database.pool, ["disk", "net"]);
});

const report = (db: Db, cluster: string, ...hits: string[]) =>
  db.query(
    "insert into new_reports (org_id, cluster, updated_at, report) values (1, $1, clock_timestamp(), $2)",
    [cluster, aReport(...hits)],
  );

const decide = async (db: Db) =>
  (await rows(db, "select clusters, notified from decide_due(100)"))[0] as {
    clusters: number;
    notified: number;
  };

/** What was notified of a cluster and when, and what decide() says today of these times. */
async function thenAndNow(cluster: string): Promise<[then: unknown[], now: unknown[]]> {
  const then = await rows(
    database.pool,
    `select r.rule_name, n.notified_at from notified_issue n join issue i on i.id = n.issue_id join rule r on r.id = i.rule_id
     where i.cluster = $1 order by 2, 1`,
    [cluster],
  );
  const now = await rows(
    database.pool,
    `select rule_name(d.component) as rule_name, t.notified_at
     from (
       select distinct n.notified_at from notified_issue n join issue i on i.id = n.issue_id where i.cluster = $1
     ) t
     cross join lateral decide(1, t.notified_at, array[$1]) d
     where d.decision = 'notify' order by 2, 1`,
    [cluster],
  );
  return [then, now];
}

const knownAfterLastNotified = async (rule: string) =>
  value(
    database.pool,
    `select o.known_from > (select max(notified_at) from notified_issue)
     from occurrence o join issue i on i.id = o.issue_id join rule r on r.id = i.rule_id where r.rule_name = $1`,
    [rule],
  );

const snapshotTaken = (session: PoolClient) => session.query("select now()");

test("a report that commits during a decision is known after it, although it began before", () =>
  twoSessions(database.pool, async (decider, writer) => {
    const cluster = aCluster();
    await snapshotTaken(writer); // the writer's now() is from here on before the decision
    await report(database.pool, cluster, "disk");
    assert.deepEqual(await decide(decider), { clusters: 1, notified: 1 });
    const written = report(writer, cluster, "disk", "net");
    await waitsForLock(database.pool, writer, written);
    await decider.query("commit");
    await written;
    await writer.query("commit");
    assert.equal(await knownAfterLastNotified("net"), true);
    assert.deepEqual(await decide(database.pool), { clusters: 1, notified: 1 });
    const [then, now] = await thenAndNow(cluster);
    assert.deepEqual(now, then);
    assert.equal(then.length, 2);
  }));

test("a report that waits for a decision is known after it, however long that one takes to read the clock", () =>
  twoSessions(database.pool, async (decider, writer) => {
    const cluster = aCluster();
    await report(database.pool, cluster, "disk");
    await decider.query("select from decision_due for update"); // as far as its first statement
    const written = report(writer, cluster, "disk", "net");
    await waitsForLock(database.pool, writer, written);
    assert.deepEqual(await decide(decider), { clusters: 1, notified: 1 });
    await decider.query("commit");
    await written;
    await writer.query("commit");
    assert.equal(await knownAfterLastNotified("net"), true);
    const [then, now] = await thenAndNow(cluster);
    assert.deepEqual(now, then);
  }));

test("a decision passes over a cluster whose report is being written, and the next one sees it", () =>
  twoSessions(database.pool, async (decider, writer) => {
    const [cluster, other] = [aCluster(), aCluster()];
    await report(database.pool, cluster, "disk");
    await report(database.pool, other, "disk");
    await report(writer, cluster, "disk", "net");
    assert.deepEqual(await decide(decider), { clusters: 1, notified: 1 }, "the other one");
    await decider.query("commit");
    await writer.query("commit");
    assert.deepEqual(await decide(database.pool), { clusters: 1, notified: 2 });
    assert.deepEqual((await notified(database.pool, cluster)).flat().sort(), ["disk|KEY", "net|KEY"]);
    const [then, now] = await thenAndNow(cluster);
    assert.deepEqual(now, then);
  }));

test("the clock of a decision is read when it holds its clusters, so it is later than what it sees", () =>
  twoSessions(database.pool, async (decider, writer) => {
    const cluster = aCluster();
    await snapshotTaken(decider); // the decider's now() is from here on before the report
    await report(writer, cluster, "disk");
    await writer.query("commit");
    assert.deepEqual(await decide(decider), { clusters: 1, notified: 1 });
    await decider.query("commit");
    const [then, now] = await thenAndNow(cluster);
    assert.deepEqual(now, then);
    assert.equal(then.length, 1);
  }));

test("two writers of one cluster: what the second brings is known after what the first brought", () =>
  twoSessions(database.pool, async (first, second) => {
    const cluster = aCluster();
    await snapshotTaken(second);
    await report(first, cluster, "disk");
    const written = report(second, cluster);
    await waitsForLock(database.pool, second, written);
    await first.query("commit");
    await written;
    await second.query("commit");
    const [issue] = await rows(database.pool, "select known_until > known_from as right from occurrence");
    assert.equal(issue?.right, true);
  }));

test("a writer's own time is believed, also within a transaction that has begun before", () =>
  twoSessions(database.pool, async (writer) => {
    const cluster = aCluster();
    await addReport(writer, cluster, "2026-03-01T12:00:00Z", ["disk"]);
    await writer.query("commit");
    assert.equal(await value(database.pool, "select known_from from occurrence"), "2026-03-01T12:00:00Z");
    assert.equal((await decideDue(database.pool, "2026-03-01T11:59:59Z")).notified, 0, "not yet there");
  }));
