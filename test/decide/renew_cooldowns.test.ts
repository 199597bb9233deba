import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aCluster,
  addReport,
  type Db,
  decideDue,
  loadContent,
  notificationsBackend,
  reportAndDecide,
  rows,
  serviceLog,
  setPolicy,
  someContent,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

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

test("the ledger follows the cooldown of the policy, longer or shorter", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, aCluster(), at, ["disk"]);
    assert.deepEqual(await ends(db), ["2026-03-08T12:00:00Z"]);
    await setCooldown(db, "1 month", "2026-03-02");
    assert.deepEqual(await ends(db), ["2026-04-01T12:00:00Z"]);
    await setCooldown(db, "3 days", "2026-03-03");
    assert.deepEqual(await ends(db), ["2026-03-04T12:00:00Z"]);
    await setCooldown(db, "0", "2026-03-04");
    assert.deepEqual(await ends(db), [null], "an empty period");
    await setCooldown(db, "10 days", "2026-03-05");
    assert.deepEqual(await ends(db), ["2026-03-11T12:00:00Z"]);
  }));

test("a cooldown that is over stays over unless the new one reaches past the change", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, aCluster(), at, ["disk"]);
    await setCooldown(db, "8 days", "2026-03-10T12:00:00Z");
    assert.deepEqual(await ends(db), ["2026-03-08T12:00:00Z"]);
    await setCooldown(db, "10 days", "2026-03-10T13:00:00Z");
    assert.deepEqual(await ends(db), ["2026-03-11T12:00:00Z"]);
  }));

test("only the last time that an issue was told follows; the earlier ones stay history", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, cluster, at, ["disk"]);
    await reportAndDecide(db, cluster, "2026-03-08T12:00:00Z", ["disk"]);
    await setCooldown(db, "20 days", "2026-03-09");
    assert.deepEqual(await ends(db), ["2026-03-08T12:00:00Z", "2026-03-28T12:00:00Z"]);
  }));

test("a target's ledger follows its own policy, and what was given up follows none", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk", someContent("net", { tags: ["osd_customer"] })]);
    await setPolicy(db, serviceLog, { enabled: true }, "2026-02-01");
    await reportAndDecide(db, aCluster(), at, ["disk", "net"]);
    await db.query(
      `update notified_issue set live = false
       where issue_id = (select i.id from issue i join rule r on r.id = i.rule_id where rule_name = 'disk')`,
    );
    await setPolicy(db, serviceLog, { cooldown: "1 day" }, "2026-03-02");
    assert.deepEqual(await ends(db), ["2026-03-08T12:00:00Z", "2026-03-08T12:00:00Z"]);
    await setCooldown(db, "2 days", "2026-03-02");
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

test("what another target was told later does not keep the ledger from following", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, [someContent("disk", { tags: ["osd_customer"] })]);
    await reportAndDecide(db, cluster, at, ["disk"]);
    await setPolicy(db, serviceLog, { enabled: true }, "2026-03-02");
    await reportAndDecide(db, cluster, "2026-03-03", ["disk"]);
    await setCooldown(db, "5 days", "2026-03-04");
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
    assert.equal((await decideDue(db, "2026-03-04T12:00:00Z")).told, 1);
  }));

test("another change of a policy leaves the ledger alone", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, aCluster(), at, ["disk"]);
    const before = await rows(db, "select ctid::text, xmin::text from notified_issue");
    await db.query("savepoint another");
    await setPolicy(db, notificationsBackend, { max_events: 5 }, "2026-03-02");
    assert.deepEqual(await rows(db, "select ctid::text, xmin::text from notified_issue"), before);
  }));
