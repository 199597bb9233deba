import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  type Claimed,
  claim,
  claimOne,
  decisions,
  delivered,
  failed,
  jobs,
  loadContent,
  notificationsBackend,
  type Row,
  reportAndDecide,
  rows,
  serviceLog,
  setPolicy,
  settle,
  someMessages,
  value,
  wishesBecomeJobs,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";
const later = "2026-03-01T14:00:00Z";

const redrive = (db: PoolClient, when: string, where = "true") =>
  rows(
    db,
    `select target, issues, left_out, refusal
     from redrive(array(select id from notification where state = 'dead' and ${where}), $1)`,
    [when],
  );

/** A message about so many issues of one cluster that was refused for good; returns the cluster. */
async function deadMessage(db: PoolClient, ...hits: string[]): Promise<string> {
  await loadContent(db, ["disk", "net", "cpu"]);
  const cluster = aCluster();
  await reportAndDecide(db, cluster, at, hits.length > 0 ? hits : ["disk"]);
  await settle(db, [failed(await claimOne(db, at), { failure: "schema", permanent: true })], at);
  await db.query(`${wishesBecomeJobs}; delete from graphile_worker._private_jobs`);
  return cluster;
}

const refusals = (db: PoolClient, when: string) =>
  rows(db, "select redrive_refusal(n, $1) as refusal from notification n where state = 'dead' order by id", [
    when,
  ]);

for (const target of [notificationsBackend, serviceLog])
  test(`${target}: an issue whose delivery died does not count as notified; redriven, it goes out under the same id and counts`, () =>
    rolledBack(database.pool, async (db) => {
      await setPolicy(db, notificationsBackend, { enabled: target === notificationsBackend }, "2026-02-01");
      await setPolicy(db, serviceLog, { enabled: target === serviceLog, required_tags: [] }, "2026-02-01");
      await loadContent(db, ["disk"]);
      const cluster = aCluster();
      await reportAndDecide(db, cluster, at, ["disk"]);
      const [before] = await claim(db, at, 10, target);
      assert.ok(before);
      await settle(db, [failed(before as Claimed, { failure: "schema", permanent: true })], at);
      assert.deepEqual(await decisions(db, cluster, later, target), { "disk|KEY": "notify" });
      assert.deepEqual(await rows(db, "select state from reported"), [{ state: 4 }]);

      await db.query(`${wishesBecomeJobs}; delete from graphile_worker._private_jobs`);
      assert.deepEqual(await redrive(db, later), [{ target, issues: 1, left_out: 0, refusal: null }]);
      assert.ok((await jobs(db))[`deliver ${target}`], "its target is woken");
      const evening = "2026-03-01T18:00:00Z";
      assert.deepEqual(await decisions(db, cluster, evening, target), { "disk|KEY": ["cooldown"] });
      assert.equal((await reportAndDecide(db, cluster, evening, ["disk"])).notified, 0);
      const [again] = await claim(db, evening, 10, target);
      assert.equal(again?.message_id, before.message_id);
      assert.equal(again?.attempt, 2, "so that the Service Log is searched first");
      assert.deepEqual(again?.issues, before.issues);
      await settle(db, [delivered(again as Claimed)], evening);
      assert.deepEqual(
        await rows(db, "select state, error_log from reported where notified_at = $1 and state < 4", [at]),
        [{ state: 1, error_log: "" }],
      );
    }));

test("what was known then stays known: it did not count as notified between its death and the redrive", () =>
  rolledBack(database.pool, async (db) => {
    await deadMessage(db);
    await redrive(db, later);
    const notified = (when: string) =>
      value(db, "select not voided @> $1::timestamptz from notified_issue", [when]);
    assert.deepEqual(
      [await notified(at), await notified("2026-03-01T13:00:00Z"), await notified(later)],
      [false, false, true],
    );
  }));

test("an issue that was notified by another message meanwhile is left out, for good", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = await deadMessage(db, "disk", "net");
    await reportAndDecide(db, cluster, "2026-03-01T13:00:00Z", ["disk"]);
    const newer = await claimOne(db, "2026-03-01T13:00:00Z");
    assert.deepEqual(await redrive(db, later), [
      { target: notificationsBackend, issues: 1, left_out: 1, refusal: null },
    ]);
    assert.deepEqual(
      await rows(db, "select issues from delivery_gap where attempts = 1 order by decided_at limit 1"),
      [{ issues: "1" }],
    );
    // the other one dies: then nobody has been notified of it, least of all by the redriven message
    await settle(db, [failed(newer, { permanent: true })], later);
    const [again] = await claim(db, later);
    const issues = again?.issues as Row[];
    assert.deepEqual(
      issues.map(({ component }) => component),
      ["ccx_rules_ocp.external.rules.net.report"],
    );
    await settle(db, [failed(again as Claimed, { permanent: true })], later);
    assert.deepEqual(await rows(db, "select issues from dead_letter order by decided_at"), [
      { issues: "1" },
      { issues: "1" },
    ]);
    await redrive(db, later, "decided_at = '2026-03-01 12:00Z'");
    await settle(db, [delivered(await claimOne(db, later))], later);
    await loadContent(db, ["disk", "net", "cpu"]);
    assert.equal((await reportAndDecide(db, cluster, "2026-03-01T15:00:00Z", ["disk", "net"])).notified, 1);
  }));

test("a message all of whose issues have been notified since is refused", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = await deadMessage(db);
    await reportAndDecide(db, cluster, "2026-03-01T13:00:00Z", ["disk"]);
    const [{ refusal } = {}] = await redrive(db, later);
    assert.equal(refusal, "all its issues have been notified since");
    assert.deepEqual(
      await rows(
        db,
        "select state, left_out from notification n join notified_issue i on i.notification_id = n.id order by n.id",
      ),
      [
        { state: "dead", left_out: false },
        { state: "pending", left_out: false },
      ],
    );
  }));

test("of two that tell the same issue the newer is redriven", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = await deadMessage(db);
    await reportAndDecide(db, cluster, "2026-03-01T13:00:00Z", ["disk"]);
    await settle(
      db,
      [failed(await claimOne(db, "2026-03-01T13:00:00Z"), { permanent: true })],
      "2026-03-01T13:00:00Z",
    );
    assert.deepEqual(
      (await redrive(db, later)).map(({ refusal }) => refusal),
      [null, "all its issues have been notified since"],
    );
    assert.deepEqual(await rows(db, "select state from notification order by id"), [
      { state: "dead" },
      { state: "pending" },
    ]);
  }));

test("a day after the first try its id may be forgotten: it is refused, and pointed to replay", () =>
  rolledBack(database.pool, async (db) => {
    await deadMessage(db);
    assert.deepEqual(await refusals(db, "2026-03-02T10:59:59Z"), [{ refusal: null }]);
    const [{ refusal } = {}] = await refusals(db, "2026-03-02T11:00:00Z");
    assert.match(String(refusal), /forgotten its id.*replay it/);
    assert.deepEqual(
      (await redrive(db, "2026-03-02T11:00:00Z")).map((row) => row.refusal),
      [refusal],
    );
    assert.equal(await value(db, "select state from notification"), "dead");
    assert.equal(await value(db, "select redrivable from dead_letter"), false);
  }));

test("what certainly never went out can be redriven at any time", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    const outcome = failed(await claimOne(db, at), { failure: "template", permanent: true, tried: false });
    await settle(db, [outcome], at);
    assert.deepEqual(await refusals(db, "2026-05-01"), [{ refusal: null }]);
    await redrive(db, "2026-05-01");
    assert.equal((await claim(db, "2026-05-01")).length, 1);
  }));

test("also when it fails so a second time", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    const untried = { failure: "template", permanent: true, tried: false };
    await settle(db, [failed(await claimOne(db, at), untried)], at);
    await redrive(db, later);
    await settle(db, [failed(await claimOne(db, later), untried)], later);
    assert.deepEqual(await refusals(db, "2026-05-01"), [{ refusal: null }]);
  }));

test("but not what went out before it was redriven: its id may be forgotten", () =>
  rolledBack(database.pool, async (db) => {
    await deadMessage(db);
    await redrive(db, later);
    const untried = { failure: "template", permanent: true, tried: false };
    await settle(db, [failed(await claimOne(db, later), untried)], later);
    assert.equal(await value(db, "select first_tried_at from notification"), at);
    assert.match(String((await refusals(db, "2026-05-01"))[0]?.refusal), /forgotten its id/);
  }));

test("redriven, it backs off from the beginning, and is given up 23 hours after its first try", () =>
  rolledBack(database.pool, async (db) => {
    await deadMessage(db);
    await db.query("update notification set attempts = 9");
    await redrive(db, later);
    await settle(db, [failed(await claimOne(db, later))], later);
    const delay = Number(
      await value(
        db,
        "select extract(epoch from next_attempt_at - $1::timestamptz)::float8 from notification",
        [later],
      ),
    );
    assert.ok(delay >= 1.5 && delay <= 2.5, `${delay} s`);
    assert.equal(await value(db, "select given_up_at from delivery_gap"), "2026-03-02T11:00:00Z");
    assert.equal(await value(db, "select expire_notifications('2026-03-02T10:59:59Z')"), 0);
    assert.equal(await value(db, "select expire_notifications('2026-03-02T11:00:00Z')"), 1);
  }));

test("a worker that had it before it was given up cannot end it after it was redriven", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    const lost = await claimOne(db, at);
    const horizon = "2026-03-02T10:00:00Z";
    assert.equal(await value(db, "select expire_notifications($1)", [horizon]), 1);
    await redrive(db, horizon);
    assert.deepEqual(await settle(db, [failed(lost, { permanent: true })], horizon), {
      sent: 0,
      retried: 0,
      dead: 0,
    });
    assert.equal(await value(db, "select state from notification"), "pending");
  }));

test("what is not dead, and what does not exist, is not redriven", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    const [id] = await rows(db, "select id from notification");
    const answer = await rows(db, "select refusal from redrive(array[$1::bigint, 987654321])", [id?.id]);
    assert.deepEqual(answer, [
      { refusal: "it is not dead" },
      { refusal: "there is no message of that number" },
    ]);
  }));

test("the view tells what died, why, and what can be done", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = await deadMessage(db, "disk", "net");
    const [{ message_id, ...dead } = {}] = await rows(db, "select * from dead_letter");
    assert.equal(message_id, await value(db, "select message_id from notification"));
    assert.deepEqual(
      { ...dead, notification_id: null },
      {
        notification_id: null,
        target: notificationsBackend,
        org_id: "1",
        cluster,
        issues: "2",
        failure: "schema",
        last_error: "it answered 503",
        attempts: 1,
        decided_at: at,
        first_tried_at: at,
        ended_at: at,
        redrivable: false,
        refusal: "the receiver may have forgotten its id, and would take it for a new message: replay it",
        replay_of: null,
      },
    );
  }));

test("what is dead has a reason, from the vocabulary", () =>
  rolledBack(database.pool, async (db) => {
    await someMessages(db, at);
    await db.query("savepoint before");
    for (const failure of [null, "bad luck"]) {
      await assert.rejects(
        db.query("update notification set state = 'dead', ended_at = $1, failure = $2", [at, failure]),
        { code: "23514" },
      );
      await db.query("rollback to savepoint before");
    }
  }));

test("messages about a cluster go out in the order of their decisions, also when they are redriven and replayed", () =>
  rolledBack(database.pool, async (db) => {
    const [half, replayed, last] = [
      "2026-03-01T12:30:00Z",
      "2026-03-01T16:00:00Z",
      "2026-03-01T17:00:00Z",
    ] as const;
    await setPolicy(db, notificationsBackend, { decide_again_after: "1 year" }, "2026-02-01");
    const cluster = aCluster();
    await loadContent(db, ["disk", "net", "cpu"]);
    const due = async (when: string) =>
      (await claim(db, when)).map(({ id, attempt, issues }) => ({
        id,
        attempt,
        rules: (issues as Row[]).map(({ component }) => String(component).split(".").at(-2)),
      }));
    const send = (messages: Claimed[], when: string) =>
      settle(
        db,
        messages.map((one) => delivered(one)),
        when,
      );
    await reportAndDecide(db, cluster, at, ["disk"]);
    await reportAndDecide(db, cluster, half, ["disk", "net"]);
    const [first, ...others] = await due(half);
    assert.deepEqual([first?.rules, others], [["disk"], []], "the second waits for the first");
    await settle(db, [failed(first as Claimed, { failure: "schema", permanent: true })], half);
    const [second] = await due(half);
    assert.deepEqual(second?.rules, ["net"]);
    await settle(db, [failed(second as Claimed, { not_stored: true })], half);
    assert.equal((await redrive(db, later))[0]?.refusal, null);

    const again = await due(later);
    assert.deepEqual(
      again.map(({ rules }) => rules),
      [["disk"]],
      "redriven, it is the earlier one again",
    );
    assert.deepEqual(await due(later), []);
    await send(again, later);
    const rest = await due(later);
    assert.deepEqual(
      rest.map(({ rules }) => rules),
      [["net"]],
    );
    await send(rest, later);

    await db.query("select replay($1, $2, at => $3)", [at, "2026-03-01T15:00:00Z", replayed]);
    await reportAndDecide(db, cluster, last, ["disk", "net", "cpu"]);
    const replays = await due(last);
    assert.deepEqual(
      replays.map(({ rules }) => rules),
      [["disk"], ["net"]],
      "the order of what they repeat, before what was decided later",
    );
    await send(replays, last);
    assert.deepEqual(
      (await due(last)).map(({ rules }) => rules),
      [["cpu"]],
    );
  }));
