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
  value,
  wishesBecomeJobs,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { refused, twoSessions, waitsForLock } from "../support/sessions.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";
const nextDay = "2026-03-02T12:00:00Z";
const week = { from: "2026-03-01", to: "2026-03-02" };

const values = (given: Row) => [
  ...[given.from ?? week.from, given.to ?? week.to, given.target, given.org, given.cluster, given.rule],
  ...[given.again ?? false, given.at ?? nextDay],
];
const replay = (db: PoolClient, given: Row = {}) =>
  rows(db, "select * from replay($1, $2, $3, $4, $5, $6, $7, $8)", values(given));
const preview = (db: PoolClient, given: Row = {}) =>
  rows(db, "select * from preview_replay($1, $2, $3, $4, $5, $6, $7, $8)", values(given));

/** A message about these issues, which ended as said; returns the cluster. */
async function message(
  db: PoolClient,
  hits: string[],
  ended: "sent" | "dead" = "sent",
  options: { cluster?: string; at?: string } = {},
): Promise<string> {
  const { cluster = aCluster(), at: when = at } = options;
  await loadContent(db, ["disk", "net", "cpu"]);
  await reportAndDecide(db, cluster, when, hits);
  const claimed = await claimOne(db, when);
  const outcome =
    ended === "sent" ? delivered(claimed) : failed(claimed, { failure: "schema", permanent: true });
  await settle(db, [outcome], when);
  await db.query(`${wishesBecomeJobs}; delete from graphile_worker._private_jobs`);
  return cluster;
}

const issuesOf = (claimed: Row = {}) =>
  (claimed.issues as Row[]).map(({ component }) => String(component).split(".").at(-2)).sort();

test("what was sent goes out again under a new id that says what it repeats, and is no new notification", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = await message(db, ["disk", "net"]);
    const [original] = await rows(db, "select id, message_id from notification");
    await db.query(`set local ccx.rewrite_history = on; update notification set traceparent = 'its trace';
      set local ccx.rewrite_history = off`);
    const before = await decisions(db, cluster, "2026-03-08T11:59:59Z");
    const reported = await rows(db, "select * from reported");
    assert.deepEqual(await replay(db), [
      { target_name: notificationsBackend, messages: 1, issues: 2, clusters: 1 },
    ]);
    assert.ok((await jobs(db))["deliver notifications backend"]);
    const [again, ...more] = await claim(db, nextDay);
    assert.equal(more.length, 0);
    assert.notEqual(again?.message_id, original?.message_id);
    assert.deepEqual(
      [again?.cluster, again?.decided_at, issuesOf(again), again?.traceparent],
      [cluster, nextDay, ["disk", "net"], "its trace"],
    );
    assert.equal(
      await value(db, "select replay_of from notification where id = $1", [again?.id]),
      original?.id,
    );
    await settle(db, [delivered(again as Claimed)], nextDay);
    assert.deepEqual(
      await decisions(db, cluster, "2026-03-08T11:59:59Z"),
      before,
      "the cooldown is that of the original",
    );
    assert.deepEqual(await decisions(db, cluster, "2026-03-08T12:00:00Z"), {
      "disk|KEY": "notify",
      "net|KEY": "notify",
    });
    assert.deepEqual(await rows(db, "select * from reported"), reported);
    assert.deepEqual(await rows(db, "select count(*)::integer as n from notified_issue where live"), [
      { n: 2 },
    ]);
  }));

test("nor does it start a cooldown when that of the original is long over", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = await message(db, ["disk"]);
    const later = "2026-03-20T12:00:00Z";
    await replay(db, { at: later });
    await settle(db, [delivered(await claimOne(db, later))], later);
    assert.deepEqual(await decisions(db, cluster, "2026-03-20T12:00:01Z"), { "disk|KEY": "notify" });
  }));

test("it starts no spacing either, and its rendering failures hold nothing", () =>
  rolledBack(database.pool, async (db) => {
    await setPolicy(db, notificationsBackend, { spacing: "3 hours" }, "2026-02-01");
    const cluster = await message(db, ["disk"]);
    await replay(db);
    const again = await claimOne(db, nextDay);
    const unrendered = [{ issue_id: await value(db, "select id from issue"), error: "no such field" }];
    await settle(db, [failed(again, { failure: "template", permanent: true, unrendered })], nextDay);
    assert.deepEqual(await decisions(db, cluster, "2026-03-02T12:01:00Z"), { "disk|KEY": ["cooldown"] });
    assert.deepEqual(await rows(db, "select * from render_failure"), []);
  }));

test("what was given up counts as notified from the replay on, and reported follows when it gets through", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = await message(db, ["disk"], "dead");
    await replay(db);
    assert.deepEqual(await decisions(db, cluster, "2026-03-02T13:00:00Z"), { "disk|KEY": ["cooldown"] });
    assert.deepEqual(await rows(db, "select state from reported"), [{ state: 4 }]);
    await settle(db, [delivered(await claimOne(db, nextDay))], nextDay);
    assert.deepEqual(await rows(db, "select state, error_log, notified_at from reported"), [
      { state: 1, error_log: "it answered 503", notified_at: at },
    ]);
    assert.equal((await reportAndDecide(db, cluster, "2026-03-02T13:00:00Z", ["disk"])).notified, 0);
  }));

test("not any more when the replay is given up, too; then it can be replayed once more", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = await message(db, ["disk"], "dead");
    await replay(db);
    await settle(db, [failed(await claimOne(db, nextDay), { permanent: true })], nextDay);
    assert.deepEqual(await decisions(db, cluster, "2026-03-02T13:00:00Z"), { "disk|KEY": "notify" });
    assert.deepEqual(await rows(db, "select state from reported"), [{ state: 4 }]);
    assert.match(
      String(await value(db, "select refusal from dead_letter where replay_of is not null")),
      /it is a replay/,
    );
    const found = await preview(db, { to: "2026-03-02T13:00:00Z", at: "2026-03-02T14:00:00Z" });
    const original = await value(db, "select id from notification where replay_of is null");
    assert.deepEqual(
      found.map(({ notification_id }) => notification_id),
      [original],
      "the original, not the replay that died",
    );
    assert.equal((await replay(db, { at: "2026-03-02T14:00:00Z" })).length, 1);
    assert.deepEqual(await decisions(db, cluster, "2026-03-02T15:00:00Z"), { "disk|KEY": ["cooldown"] });
  }));

/** The replays that wait, in their order. */
const waiting = async (db: PoolClient, when = nextDay) => (await claim(db, when)) as Claimed[];

test("what a replay notified of a dead message stays notified: a week later it is not replayed again unless asked for", () =>
  rolledBack(database.pool, async (db) => {
    await message(db, ["disk", "net"], "dead");
    await replay(db, { rule: "disk" });
    await settle(db, [delivered(await claimOne(db, nextDay))], nextDay);
    const week = "2026-03-10T12:00:00Z";
    assert.deepEqual(
      (await preview(db, { at: week })).map(({ issue_ids }) => (issue_ids as unknown[]).length),
      [1],
      "only what was not replayed",
    );
    assert.equal((await replay(db, { at: week, again: true }))[0]?.issues, 2);
  }));

test("nor is an older message about the same issue, which died too, once the newer one was replayed", () =>
  rolledBack(database.pool, async (db) => {
    await setPolicy(db, notificationsBackend, { cooldown: "1 hour" }, "2026-02-01");
    const cluster = await message(db, ["disk"], "dead");
    await message(db, ["disk"], "dead", { cluster, at: "2026-03-01T16:00:00Z" });
    assert.equal((await replay(db))[0]?.messages, 1);
    await settle(db, [delivered(await claimOne(db, nextDay))], nextDay);
    assert.deepEqual(await preview(db, { at: "2026-03-10" }), []);
  }));

for (const [name, endings, counts] of [
  ["one that got through counts, though another is given up after it", ["sent", "dead"], true],
  ["or before it", ["dead", "sent"], true],
  ["one that may yet get through counts", ["dead"], true],
  ["when all are given up it does not", ["dead", "dead"], false],
] as const)
  test(`of two replays of a dead message ${name}`, () =>
    rolledBack(database.pool, async (db) => {
      const cluster = await message(db, ["disk"], "dead");
      await replay(db);
      await replay(db, { again: true });
      const both = await waiting(db);
      assert.equal(both.length, 2);
      for (const [nth, ending] of endings.entries()) {
        const claimed = both[nth] as Claimed;
        const outcome = ending === "sent" ? delivered(claimed) : failed(claimed, { permanent: true });
        await settle(db, [outcome], nextDay);
      }
      assert.deepEqual(await decisions(db, cluster, "2026-03-02T13:00:00Z"), {
        "disk|KEY": counts ? ["cooldown"] : "notify",
      });
    }));

test("of two replays that are given up by one worker at once, too", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = await message(db, ["disk"], "dead");
    await replay(db);
    await replay(db, { again: true });
    const both = await waiting(db);
    await settle(
      db,
      both.map((claimed) => failed(claimed, { permanent: true })),
      nextDay,
    );
    assert.deepEqual(await decisions(db, cluster, "2026-03-02T13:00:00Z"), { "disk|KEY": "notify" });
  }));

test("a replay that was given up by one worker, and got through by another, tells what it repeats after all", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = await message(db, ["disk", "net"], "dead");
    await replay(db, { rule: "disk" });
    const claimed = await claimOne(db, nextDay);
    await settle(db, [failed(claimed, { permanent: true })], nextDay);
    await settle(db, [delivered(claimed)], nextDay);
    assert.deepEqual(await decisions(db, cluster, "2026-03-02T13:00:00Z"), {
      "disk|KEY": ["cooldown"],
      "net|KEY": "notify",
    });
  }));

test("an issue of a dead message that was notified since is left to the message that notified it", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = await message(db, ["disk", "net"], "dead");
    await message(db, ["disk"], "sent", { cluster, at: "2026-03-01T13:00:00Z" });
    assert.deepEqual(await replay(db), [
      { target_name: notificationsBackend, messages: 2, issues: 2, clusters: 1 },
    ]);
    assert.deepEqual((await claim(db, nextDay)).map(issuesOf), [["net"], ["disk"]]);
  }));

test("an issue that died several times is replayed once", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = await message(db, ["disk"], "dead");
    await message(db, ["disk"], "dead", { cluster, at: "2026-03-01T13:00:00Z" });
    assert.deepEqual(await replay(db), [
      { target_name: notificationsBackend, messages: 1, issues: 1, clusters: 1 },
    ]);
    assert.equal(
      await value(db, "select max(notified_at) from notified_issue where live"),
      "2026-03-01T13:00:00Z",
    );
  }));

test("what waits, and what was replayed, is not replayed; the stretch is by when it ended", () =>
  rolledBack(database.pool, async (db) => {
    await message(db, ["disk"]);
    await reportAndDecide(db, aCluster(), at, ["disk"]);
    assert.equal((await preview(db)).length, 1);
    assert.equal((await preview(db, { from: at, to: "2026-03-01T12:00:01Z" })).length, 1);
    assert.equal((await preview(db, { to: at })).length, 0, "without its end");
    await replay(db);
    await settle(
      db,
      ((await claim(db, nextDay)) as Claimed[]).map((claimed) => delivered(claimed)),
      nextDay,
    );
    const after = { to: "2026-03-10", at: "2026-03-10" };
    assert.deepEqual(
      (await preview(db, after)).map(({ notification_id }) => notification_id),
      (await rows(db, "select id from notification where replay_of is null order by id")).map(({ id }) => id),
      "the two originals, the replay of the one not",
    );
  }));

test("hitting Enter twice replays once; --again means it", () =>
  rolledBack(database.pool, async (db) => {
    await message(db, ["disk", "net"]);
    assert.equal((await replay(db, { rule: "disk" })).length, 1);
    await settle(db, [delivered(await claimOne(db, nextDay))], nextDay);
    assert.deepEqual(await replay(db, { rule: "disk" }), []);
    assert.deepEqual(await replay(db), [
      { target_name: notificationsBackend, messages: 1, issues: 1, clusters: 1 },
    ]);
    assert.deepEqual(issuesOf((await claim(db, nextDay))[0]), ["net"], "what was not replayed yet");
    assert.equal((await replay(db, { again: true }))[0]?.issues, 2);
    assert.deepEqual(
      await replay(db, { at: "2026-03-05" }),
      [],
      "however long it takes, while one waits there is not another",
    );
    await db.query("update notification set state = 'sent', ended_at = decided_at where state = 'pending'");
    assert.equal(
      (await replay(db, { at: "2026-03-03T12:00:01Z" }))[0]?.issues,
      2,
      "a day later it is no accident",
    );
  }));

test("target, organization, cluster and rule narrow it down", () =>
  rolledBack(database.pool, async (db) => {
    await setPolicy(db, serviceLog, { enabled: true, required_tags: [] }, "2026-02-01");
    await loadContent(db, ["disk", "net"]);
    const cluster = aCluster();
    await reportAndDecide(db, cluster, at, ["disk", "net"]);
    for (const target of [notificationsBackend, serviceLog])
      await settle(
        db,
        ((await claim(db, at, 10, target)) as Claimed[]).map((claimed) => delivered(claimed)),
        at,
      );
    const found = async (given: Row) =>
      (await preview(db, given)).map(
        ({ target, issue_ids }) => `${target} ${(issue_ids as unknown[]).length}`,
      );
    const all = ["notifications backend 2", "service log 1", "service log 1"];
    assert.deepEqual(await found({}), all);
    assert.deepEqual(await found({ target: serviceLog }), all.slice(1));
    assert.deepEqual(await found({ org: 1, cluster: cluster.toUpperCase() }), all);
    assert.deepEqual(await found({ org: 2 }), []);
    assert.deepEqual(await found({ cluster: aCluster() }), []);
    for (const rule of ["disk", "ccx_rules_ocp.external.rules.disk.report", "disk|KEY"])
      assert.deepEqual(await found({ rule }), ["notifications backend 1", "service log 1"], rule);
    assert.deepEqual(await found({ rule: "disk|OTHER" }), []);
  }));

test("a stretch that is none, or not over, and a target that does not exist are refused", () =>
  rolledBack(database.pool, async (db) => {
    for (const [from, to] of [
      ["2026-03-02", "2026-03-01"],
      [at, at],
      ["2026-03-01", "2026-03-03"],
      [null, at],
    ])
      await refused(db, "NTD02", () =>
        db.query("select * from preview_replay($1, $2, at => $3)", [from, to, nextDay]),
      );
    await message(db, ["disk"]);
    await refused(db, "NTG01", () => replay(db, { target: "x" }));
  }));

test("a message that has been replayed is not redriven", () =>
  rolledBack(database.pool, async (db) => {
    await message(db, ["disk"], "dead");
    await replay(db);
    const redriven = await rows(
      db,
      "select refusal from redrive(array(select id from notification where state = 'dead'), $1)",
      [nextDay],
    );
    assert.deepEqual(redriven, [{ refusal: "it has been replayed" }]);
  }));

test("what could not be rendered was not notified, and is not replayed", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk", "net"]);
    await reportAndDecide(db, aCluster(), at, ["disk", "net"]);
    const [claimed = {}] = await claim(db, at);
    const [first] = claimed.issues as Row[];
    const unrendered = [{ issue_id: first?.issue_id, error: "no such field" }];
    await settle(db, [{ ...delivered(claimed as Claimed), unrendered }], at);
    assert.equal((await replay(db))[0]?.issues, 1);
  }));

test("two replays at once take turns, and the second finds nothing left", async () => {
  await rolledBack(database.pool, async (db) => {
    await message(db, ["disk"]);
    await db.query("commit");
  });
  await twoSessions(database.pool, async (first, second) => {
    assert.equal((await replay(first)).length, 1);
    const other = replay(second);
    await waitsForLock(database.pool, second, other);
    await first.query("commit");
    assert.deepEqual(await other, []);
  });
});

test("of two replays that are given up by two workers at once, the second sees what became of the first", async () => {
  await database.pool.query("truncate notification, notified_issue, reported");
  const { cluster, both } = await (async () => {
    const db = await database.pool.connect();
    try {
      const cluster = await message(db, ["disk"], "dead");
      await replay(db);
      await replay(db, { again: true });
      return { cluster, both: await waiting(db) };
    } finally {
      db.release();
    }
  })();
  await twoSessions(database.pool, async (first, second) => {
    const [one, two] = both.map((claimed) => failed(claimed, { permanent: true })) as [Row, Row];
    await settle(first, [one], nextDay);
    const other = settle(second, [two], nextDay);
    await waitsForLock(database.pool, second, other);
    await first.query("commit");
    await other;
    assert.deepEqual(await decisions(second, cluster, "2026-03-02T13:00:00Z"), { "disk|KEY": "notify" });
  });
});
