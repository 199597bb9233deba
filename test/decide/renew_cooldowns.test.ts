import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aCluster,
  addReport,
  type Db,
  decideDue,
  decisions,
  loadContent,
  notificationsBackend,
  notified,
  reportAndDecide,
  rows,
  serviceLog,
  setPolicy,
  someContent,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { endPolicy, setScopedPolicy, waiting } from "../support/policies.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";

const ends = async (db: Db) =>
  (
    await rows(
      db,
      "select upper(cooldown_period) as ends from notified_issue where target_id = 1 order by notified_at, issue_id",
    )
  ).map((row) => row.ends);

const setCooldown = (db: Db, cooldown: string, when: string) =>
  setPolicy(db, notificationsBackend, { cooldown }, when);

test("the ledger follows the cooldown of the policy, longer or shorter, with the next decision", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, cluster, at, ["disk"]);
    assert.deepEqual(await ends(db), ["2026-03-08T12:00:00Z"]);
    for (const [cooldown, when, end] of [
      ["1 month", "2026-03-02", "2026-04-01T12:00:00Z"],
      ["3 days", "2026-03-03", "2026-03-04T12:00:00Z"],
      ["10 days", "2026-03-04T00:00:00Z", "2026-03-11T12:00:00Z"],
    ] as const) {
      const before = await ends(db);
      await setCooldown(db, cooldown, when);
      assert.deepEqual(await ends(db), before, "the change itself writes nothing");
      assert.equal((await reportAndDecide(db, cluster, when, ["disk"])).notified, 0);
      assert.deepEqual(await ends(db), [end]);
    }
    await setCooldown(db, "0", "2026-03-05T00:00:00Z");
    assert.equal((await reportAndDecide(db, cluster, "2026-03-05T00:00:00Z", ["disk"])).notified, 1);
    assert.deepEqual(await ends(db), [at, "2026-03-05T00:00:00Z"], "each holds its own instant");
  }));

test("without a report the change itself asks, for clusters that reported within a day", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, aCluster(), at, ["disk"]);
    await setCooldown(db, "3 days", "2026-03-01T13:00:00Z");
    assert.deepEqual(await decideDue(db, "2026-03-01T13:00:00Z"), {
      clusters: 1,
      notifications: 0,
      notified: 0,
      held: 2,
    });
    assert.deepEqual(await ends(db), ["2026-03-04T12:00:00Z"]);
  }));

test("a cooldown that is over stays over unless the new one reaches past the decision", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, cluster, at, ["disk"]);
    await setCooldown(db, "8 days", "2026-03-08T13:00:00Z");
    assert.equal((await reportAndDecide(db, cluster, "2026-03-08T13:00:00Z", ["disk"])).notified, 0);
    assert.equal((await reportAndDecide(db, cluster, "2026-03-10T12:00:00Z", ["disk"])).notified, 1);
    assert.deepEqual(await ends(db), ["2026-03-09T12:00:00Z", "2026-03-18T12:00:00Z"]);
  }));

test("a policy of the future renews and asks only when it begins", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, cluster, at, ["disk"]);
    await setCooldown(db, "1 day", "2026-03-03T00:00:00Z");
    const before = "2026-03-02T23:59:59.999999Z";
    assert.equal((await reportAndDecide(db, cluster, before, ["disk"])).notified, 0);
    assert.deepEqual(await ends(db), ["2026-03-08T12:00:00Z"]);
    assert.equal(await value(db, "select (sweep($1)).woken", [before]).then(String), notificationsBackend);
    assert.deepEqual(await waiting(db, before), []);
    const [swept] = await rows(db, "select woken from sweep('2026-03-03T00:00:00Z')");
    assert.deepEqual(swept?.woken, ["decide", notificationsBackend]);
    assert.equal((await decideDue(db, "2026-03-03T00:00:00Z")).notified, 1);
    assert.deepEqual(await ends(db), ["2026-03-02T12:00:00Z", "2026-03-04T00:00:00Z"]);
  }));

test("only the last time that an issue was notified follows; the earlier ones stay history", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, cluster, at, ["disk"]);
    await reportAndDecide(db, cluster, "2026-03-08T12:00:00Z", ["disk"]);
    await setCooldown(db, "20 days", "2026-03-09");
    await reportAndDecide(db, cluster, "2026-03-09", ["disk"]);
    assert.deepEqual(await ends(db), ["2026-03-08T12:00:00Z", "2026-03-28T12:00:00Z"]);
  }));

test("the ledger comes back to the policy by which an issue was notified, too", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, cluster, at, ["disk"]);
    await setScopedPolicy(db, { org: 1 }, { cooldown: "30 days" }, "2026-03-02");
    await reportAndDecide(db, cluster, "2026-03-02", ["disk"]);
    assert.deepEqual(await ends(db), ["2026-03-31T12:00:00Z"]);
    await endPolicy(db, { org: 1 }, "2026-03-03");
    assert.deepEqual(await decisions(db, cluster, "2026-03-08T12:00:00Z"), { "disk|KEY": "notify" });
    assert.equal((await reportAndDecide(db, cluster, "2026-03-08T12:00:00Z", ["disk"])).notified, 1);
    assert.deepEqual(await notified(db, cluster), [["disk|KEY"], ["disk|KEY"]]);
  }));

test("a target's ledger follows its own policy, and what was given up follows none", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk", someContent("net", { tags: ["osd_customer"] })]);
    await setPolicy(db, serviceLog, { enabled: true }, "2026-02-01");
    await reportAndDecide(db, cluster, at, ["disk", "net"]);
    await db.query(
      `update notified_issue set voided = tstzmultirange(tstzrange($1, null))
       where issue_id = (select i.id from issue i join rule r on r.id = i.rule_id where rule_name = 'disk')`,
      ["2026-03-01T13:00:00Z"],
    );
    await setPolicy(db, serviceLog, { cooldown: "1 day" }, "2026-03-02");
    await reportAndDecide(db, cluster, "2026-03-02", ["net"]);
    assert.deepEqual(await ends(db), ["2026-03-08T12:00:00Z", "2026-03-08T12:00:00Z"]);
    const ofServiceLog = "select upper(cooldown_period) from notified_issue where target_id = 2";
    assert.equal(await value(db, ofServiceLog), "2026-03-02T12:00:00Z");
    await setCooldown(db, "2 days", "2026-03-02");
    await reportAndDecide(db, cluster, "2026-03-02T01:00:00Z", ["net"]);
    assert.deepEqual(
      await rows(
        db,
        "select live, upper(cooldown_period) as ends from notified_issue where target_id = 1 order by 1",
      ),
      [
        { live: false, ends: "2026-03-08T12:00:00Z" },
        { live: true, ends: "2026-03-03T12:00:00Z" },
      ],
    );
  }));

test("what another target was notified later does not keep the ledger from following", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, [someContent("disk", { tags: ["osd_customer"] })]);
    await reportAndDecide(db, cluster, at, ["disk"]);
    await setPolicy(db, serviceLog, { enabled: true }, "2026-03-02");
    await reportAndDecide(db, cluster, "2026-03-03", ["disk"]);
    await setCooldown(db, "5 days", "2026-03-04");
    await reportAndDecide(db, cluster, "2026-03-04", ["disk"]);
    assert.deepEqual(await ends(db), ["2026-03-06T12:00:00Z"]);
  }));

test("the sweep asks again at the end of the new cooldown", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, cluster, at, ["disk"]);
    await setCooldown(db, "3 days", "2026-03-02");
    await addReport(db, cluster, "2026-03-04T10:00:00Z", ["disk"]);
    await decideDue(db, "2026-03-04T10:00:00Z");
    assert.equal(await value(db, "select cooldowns_ended from sweep('2026-03-04T12:00:00Z')"), 1);
    assert.equal((await decideDue(db, "2026-03-04T12:00:00Z")).notified, 1);
  }));

test("a decision by the same cooldown leaves the ledger alone, whatever else changed", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, cluster, at, ["disk"]);
    const ledger = () => rows(db, "select ctid::text, xmin::text from notified_issue");
    const before = await ledger();
    await db.query("savepoint another");
    await setPolicy(db, notificationsBackend, { max_events: 5 }, "2026-03-02");
    await reportAndDecide(db, cluster, "2026-03-02", ["disk"]);
    assert.deepEqual(await ledger(), before);
  }));
