import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  claim,
  claimOne,
  delivered,
  failed,
  jobs,
  loadContent,
  type Row,
  reportAndDecide,
  rows,
  serviceLog,
  setPolicy,
  settle,
  someContent,
  someMessages,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";
const nothing = { sent: 0, retried: 0, dead: 0 };

const stateOf = async (db: PoolClient) =>
  (await rows(db, "select state, attempts, failure, last_error, result, ended_at from notification"))[0];

test("a claimed message carries what it takes to send it, the gravest issue first", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk", someContent("net", { impact: 4, likelihood: 4 })]);
    await db.query(
      `insert into new_reports (org_id, account_number, cluster, updated_at, received_at, report)
       values (7, 42, $1, $2, $2, $3)`,
      [
        cluster,
        "2026-03-01T11:00:00.000001Z",
        JSON.stringify({
          reports: [
            { component: "a.disk.report", key: "KEY", details: { full: [1, "2"] } },
            { component: "a.net.report", key: "KEY", details: { slow: true } },
          ],
        }),
      ],
    );
    await db.query("select decide_due(1, $1)", [at]);
    const [stored] = await rows(db, "select id, message_id from notification");
    const ids = async (rule: string) => {
      const found = await rows(
        db,
        `select i.id::text as issue_id, c.id::text as content_id
         from issue i join rule r on r.id = i.rule_id join rule_content c using (rule_name) where rule_name = $1`,
        [rule],
      );
      return found[0];
    };
    assert.deepEqual(await claim(db, at), [
      {
        ...stored,
        attempt: 1,
        org_id: "7",
        account_number: "42",
        cluster,
        updated_at: "2026-03-01T11:00:00.000001Z",
        decided_at: at,
        first_tried_at: at,
        resolved: false,
        traceparent: null,
        issues: [
          {
            ...(await ids("net")),
            component: "a.net.report",
            error_key: "KEY",
            total_risk: 4,
            severity: "CRITICAL",
            hold_doubtful: false,
            details: { slow: true },
          },
          {
            ...(await ids("disk")),
            component: "a.disk.report",
            error_key: "KEY",
            total_risk: 3,
            severity: "IMPORTANT",
            hold_doubtful: false,
            details: { full: [1, "2"] },
          },
        ],
      },
    ]);
  }));

test("every target has a name for every total risk", async () => {
  assert.deepEqual(
    await rows(
      database.pool,
      `select t.name as target, array_agg(s.name order by s.total_risk) as names
       from event_targets t
       join severity s on s.target_id = t.id
       group by t.id
       order by t.id`,
    ),
    [
      { target: "notifications backend", names: ["LOW", "MODERATE", "IMPORTANT", "CRITICAL"] },
      { target: "service log", names: ["Info", "Warning", "Major", "Critical"] },
    ],
  );
});

test("a message says what the content said when it was decided", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    const decidedBy = await value(db, "select id from rule_content where rule_name = 'disk'");
    await loadContent(db, [someContent("disk", { impact: 4, likelihood: 4 })], "2026-03-01T12:00:01Z");
    const [claimed] = await claim(db, "2026-03-01T12:01:00Z");
    const [issue] = (claimed?.issues ?? []) as Row[];
    assert.deepEqual([issue?.content_id, issue?.total_risk], [decidedBy, 3]);
  }));

test("a claimed message is nobody else's until its lease ends; then it is handed out again with the same id", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    const [first] = await claim(db, at);
    assert.deepEqual(await claim(db, "2026-03-01T12:01:59Z"), []);
    const [second] = await claim(db, "2026-03-01T12:02:00Z");
    assert.equal(second?.message_id, first?.message_id);
    assert.deepEqual([first?.attempt, second?.attempt], [1, 2]);
    assert.equal(await value(db, "select next_attempt_at from notification"), "2026-03-01T12:04:00Z");
  }));

test("only messages that are due are claimed, as many as asked for, in the order in which they became due", () =>
  rolledBack(database.pool, async (db) => {
    const clusters = await someMessages(db, at, 4);
    const due = [
      "2026-03-01T11:03:00Z",
      "2026-03-01T12:00:01Z",
      "2026-03-01T11:02:00Z",
      "2026-03-01T11:01:00Z",
    ];
    for (const [i, cluster] of clusters.entries()) {
      await db.query("update notification set next_attempt_at = $2 where cluster = $1", [cluster, due[i]]);
    }
    const claimed = await claim(db, at, 2);
    assert.deepEqual(
      claimed.map(({ cluster }) => cluster),
      [clusters[2], clusters[3]],
      "the two that are due longest, in the order of their ids",
    );
    assert.deepEqual(
      (await claim(db, at)).map(({ cluster }) => cluster),
      [clusters[0]],
    );
  }));

test("a message is claimed for its own target only, and not when it has ended", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    await setPolicy(db, serviceLog, { enabled: true, required_tags: [] }, "2026-03-01T11:00:00Z");
    await reportAndDecide(db, aCluster(), at, ["net"]);
    assert.equal((await claim(db, at, 10, serviceLog)).length, 2, "the first cluster was asked again");
    assert.deepEqual(await claim(db, at, 10, "no such target"), []);
    const [one, two] = await claim(db, at);
    await settle(db, [delivered({ id: one?.id, attempt: 1 })], at);
    await settle(db, [failed({ id: two?.id, attempt: 1 }, { permanent: true })], at);
    assert.deepEqual(await claim(db, "2027-01-01"), []);
  }));

test("a message that is sent keeps what the receiver answered", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    const outcome = delivered(await claimOne(db, at), { partition: 1, offset: "5" });
    assert.deepEqual(await settle(db, [outcome], "2026-03-01T12:00:10Z"), { ...nothing, sent: 1 });
    assert.deepEqual(await stateOf(db), {
      state: "sent",
      attempts: 1,
      failure: null,
      last_error: null,
      result: { partition: 1, offset: "5" },
      ended_at: "2026-03-01T12:00:10Z",
    });
    assert.equal(await value(db, "select live from notified_issue"), true);
    assert.deepEqual(await jobs(db), {});
    assert.deepEqual(await settle(db, [outcome], at), nothing, "a second time changes nothing");
  }));

test("a success counts even from a worker that lost its lease", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    const late = await claimOne(db, at);
    const present = await claimOne(db, "2026-03-01T12:05:00Z");
    assert.deepEqual(await settle(db, [delivered(late)], at), { ...nothing, sent: 1 });
    assert.deepEqual(await settle(db, [failed(present)], at), nothing, "it is out already");
    assert.equal((await stateOf(db))?.state, "sent");
  }));

test("a failure from a worker that lost its lease does not count", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    const late = await claimOne(db, at);
    await claimOne(db, "2026-03-01T12:05:00Z");
    const before = await rows(db, "select * from notification");
    assert.deepEqual(await settle(db, [failed(late, { permanent: true })], at), nothing);
    assert.deepEqual(await rows(db, "select * from notification"), before);
  }));

test("a message that was given up and got through after all counts as notified again", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    const late = await claimOne(db, at);
    const present = await claimOne(db, "2026-03-01T12:05:00Z");
    await settle(db, [failed(present, { permanent: true })], "2026-03-01T12:05:01Z");
    assert.equal(await value(db, "select live from notified_issue"), false);
    assert.deepEqual(await settle(db, [delivered(late)], at), { ...nothing, sent: 1 });
    assert.equal(await value(db, "select live from notified_issue"), true);
    assert.deepEqual(await rows(db, "select state, error_log from reported"), [{ state: 1, error_log: "" }]);
  }));

test("unless it has been notified again meanwhile", () =>
  rolledBack(database.pool, async (db) => {
    const [cluster = ""] = await someMessages(db, at);
    const late = await claimOne(db, at);
    const present = await claimOne(db, "2026-03-01T12:05:00Z");
    await settle(db, [failed(present, { permanent: true })], "2026-03-01T12:05:01Z");
    await reportAndDecide(db, cluster, "2026-03-01T13:00:00Z", ["disk"]);
    assert.deepEqual(await settle(db, [delivered(late)], at), { ...nothing, sent: 1 });
    assert.deepEqual(await rows(db, "select live from notified_issue order by notified_at"), [
      { live: false },
      { live: true },
    ]);
  }));

test("an outcome of a message that does not exist is passed over", () =>
  rolledBack(database.pool, async (db) => {
    assert.deepEqual(await settle(db, [failed({ id: "987654321", attempt: 1 })], at), nothing);
  }));
