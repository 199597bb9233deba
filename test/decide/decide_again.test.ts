import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  addReport,
  type Claimed,
  claim,
  claimOne,
  decideDue,
  decisions,
  delivered,
  failed,
  loadContent,
  notificationsBackend,
  type Row,
  reportAndDecide,
  rows,
  setPolicy,
  settle,
  someContent,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { addSilence, disableRule, setScopedPolicy } from "../support/policies.ts";

const database = testDatabase();
let cluster = "";
beforeEach(() => {
  cluster = aCluster();
});

/** Minutes after noon. */
const at = (minutes: number) => new Date(Date.UTC(2026, 2, 1, 12, minutes)).toISOString();

const withContent = (work: (db: PoolClient) => Promise<void>) =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk", someContent("net", { impact: 4, likelihood: 4 })]);
    await work(db);
  });

const report = (db: PoolClient, minutes: number, ...hits: string[]) =>
  reportAndDecide(db, cluster, at(minutes), hits);

/** The error keys and rules that the messages of a claim tell. */
const told = (messages: Row[]) =>
  messages.map(({ issues }) => (issues as Row[]).map(({ component }) => String(component).split(".").at(-2)));

const claimed = async (db: PoolClient, minutes: number) => told(await claim(db, at(minutes)));

const ends = (db: PoolClient) =>
  rows(db, "select state, attempts, last_error from notification where cluster = $1 order by id", [cluster]);

const certainly = { failure: "rate_limited", not_stored: true };

const reasons: Record<string, [reason: string, happens: (db: PoolClient) => Promise<unknown>]> = {
  "is gone": ["gone", (db) => addReport(db, cluster, at(60), [])],
  "was silenced": ["silenced", (db) => addSilence(db, { cluster }, at(60))],
  "was acknowledged": ["acked", (db) => disableRule(db, 1, "disk", "KEY", at(60))],
  "was raised above": [
    "below_threshold",
    (db) => setPolicy(db, notificationsBackend, { total_risk_threshold: 4 }, at(60)),
  ],
  "was blocked": [
    "cluster_blocked",
    (db) => setPolicy(db, notificationsBackend, { blocked_clusters: [cluster] }, at(60)),
  ],
  "lost its content": ["no_content", (db) => loadContent(db, ["net"], at(60))],
  "was switched off": [
    "target_disabled",
    (db) => setPolicy(db, notificationsBackend, { enabled: false }, at(60)),
  ],
};
for (const [what, [reason, happens]] of Object.entries(reasons))
  test(`what waited for its receiver and ${what} meanwhile is withdrawn: ${reason}`, () =>
    withContent(async (db) => {
      await report(db, 0, "disk");
      await happens(db);
      assert.deepEqual(await claimed(db, 120), []);
      const last_error = `withdrawn: ${reason}`;
      assert.deepEqual(await ends(db), [{ state: "withdrawn", attempts: 0, last_error }]);
      assert.deepEqual(await rows(db, "select live, left_out, left_out_reasons from notified_issue"), [
        { live: false, left_out: true, left_out_reasons: [reason] },
      ]);
      assert.deepEqual(await rows(db, "select state, report, error_log from reported"), [
        { state: 2, report: "", error_log: last_error },
      ]);
      const now = await decisions(db, cluster, at(121));
      assert.deepEqual(
        now,
        reason === "gone" ? {} : { "disk|KEY": [reason] },
        "it does not count as notified",
      );
    }));

test("what is still to be notified goes out without the rest", () =>
  withContent(async (db) => {
    await report(db, 0, "disk", "net");
    await addSilence(db, { cluster, rule: "net" }, at(60));
    const [message] = await claim(db, at(120));
    assert.deepEqual(told([message as Row]), [["disk"]]);
    await settle(db, [delivered(message as Claimed)], at(120));
    assert.deepEqual(await decisions(db, cluster, at(121)), {
      "disk|KEY": ["cooldown"],
      "net|KEY": ["silenced"],
    });
  }));

test("what waited a moment only goes out as it was decided; how long that is can be set", () =>
  withContent(async (db) => {
    await report(db, 0, "disk");
    await addReport(db, cluster, at(1), []);
    await db.query("savepoint before");
    assert.deepEqual(await claimed(db, 5), [["disk"]]);
    await db.query("rollback to savepoint before");
    await setScopedPolicy(db, {}, { decide_again_after: "2 minutes" }, at(0));
    assert.deepEqual(await claimed(db, 5), []);
  }));

test("a retry of what certainly did not arrive is decided again, however soon", () =>
  withContent(async (db) => {
    await report(db, 0, "disk");
    await settle(db, [failed(await claimOne(db, at(0)), certainly)], at(0));
    await addReport(db, cluster, at(1), []);
    await db.query("update circuit set retry_at = $1 where opened_at is not null", [at(1)]);
    assert.deepEqual(await claimed(db, 2), []);
    assert.deepEqual(await rows(db, "select state from notification"), [{ state: "withdrawn" }]);
    assert.equal(
      await value(db, "select probe_until from circuit where target_id = 1"),
      null,
      "what is withdrawn is no probe",
    );
  }));

test("a retry of what may have arrived keeps what it said", () =>
  withContent(async (db) => {
    await report(db, 0, "disk", "net");
    await settle(db, [failed(await claimOne(db, at(0)))], at(0));
    await addReport(db, cluster, at(1), []);
    assert.deepEqual(await claimed(db, 120), [["net", "disk"]]);
    assert.deepEqual(await claimed(db, 180), [["net", "disk"]], "also when its worker died");
  }));

test("what a worker had that died may be out: it keeps what it said, and its time", () =>
  withContent(async (db) => {
    await report(db, 0, "disk");
    const [first] = await claim(db, at(0));
    await addReport(db, cluster, at(1), []);
    const [again] = await claim(db, at(120));
    assert.deepEqual([told([again as Row]), again?.first_tried_at], [[["disk"]], first?.first_tried_at]);
  }));

test("a claim of which nothing is left takes the next ones", () =>
  withContent(async (db) => {
    await report(db, 0, "disk");
    await addReport(db, cluster, at(1), []);
    await decideDue(db, at(1));
    await reportAndDecide(db, aCluster(), at(2), ["net"]);
    assert.deepEqual(told(await claim(db, at(60), 1)), [["net"]]);
  }));

test("a problem of which nobody was notified is withdrawn together with its resolution", () =>
  withContent(async (db) => {
    await setScopedPolicy(db, {}, { notify_resolved: true, receiver_knows_resolved: true }, "2026-02-01");
    await report(db, 0, "disk");
    await report(db, 8);
    assert.deepEqual(await claimed(db, 10), []);
    assert.deepEqual(
      (await ends(db)).map(({ last_error }) => last_error),
      ["withdrawn: gone", "withdrawn: not_notified"],
    );
  }));

test("a resolution that waited while its problem came back is withdrawn", () =>
  withContent(async (db) => {
    await setScopedPolicy(db, {}, { notify_resolved: true, receiver_knows_resolved: true }, "2026-02-01");
    await report(db, 0, "disk");
    await settle(db, [delivered(await claimOne(db, at(0)))], at(0));
    await report(db, 1);
    await addReport(db, cluster, at(2), ["disk"]);
    assert.deepEqual(await claimed(db, 10), []);
    assert.equal((await ends(db))[1]?.last_error, "withdrawn: back");
  }));

for (const [what, outcome] of Object.entries({ "waits for its retry": failed, "is out": undefined }))
  test(`a message is not handed out while an earlier one about its cluster ${what}, others are`, () =>
    withContent(async (db) => {
      await setScopedPolicy(db, {}, { notify_resolved: true, receiver_knows_resolved: true }, "2026-02-01");
      await report(db, 0, "disk");
      const first = await claimOne(db, at(0));
      const settled = outcome && (await settle(db, [outcome(first, { retry_after_ms: 240_000 })], at(0)));
      await db.query("update circuit set opened_at = null, retry_at = null, probe_until = null");
      await report(db, 1);
      await reportAndDecide(db, aCluster(), at(1), ["net"]);
      const [other] = await claim(db, at(1));
      assert.deepEqual(told([other as Row]), [["net"]]);
      await settle(db, [delivered(other as Claimed)], at(1));
      const due = await value(db, "select next_delivery_at(1)");
      assert.equal(due, settled ? "2026-03-01T12:04:00Z" : "2026-03-01T12:02:00Z", "the earlier one's time");
      await settle(db, [delivered(first)], at(2));
      assert.deepEqual(await claimed(db, 2), [["disk"]]);
    }));

test("messages of one decision do not hold each other by spacing when they are decided again", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk", "net"]);
    await setPolicy(db, notificationsBackend, { spacing: "1 day", max_events: 1 }, "2026-02-01");
    await reportAndDecide(db, aCluster(), "2026-03-01T12:00:00Z", ["disk", "net"]);
    assert.equal((await claim(db, "2026-03-01T13:00:00Z", 1)).length, 1);
    assert.equal((await claim(db, "2026-03-01T13:00:00Z", 1)).length, 1);
    assert.deepEqual(await rows(db, "select from notification where state = 'withdrawn'"), []);
  }));
