import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aCluster,
  addReport,
  addReports,
  claim,
  decideDue,
  decisions,
  loadContent,
  notificationsBackend,
  notified,
  reportAndDecide,
  rows,
  serviceLog,
  setPolicy,
  settle,
  someContent,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();

test("an issue that was notified is held until exactly the end of its cooldown", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, cluster, "2026-03-01T12:00:00Z", ["disk"]);
    assert.deepEqual(await decisions(db, cluster, "2026-03-08T11:59:59.999999Z"), {
      "disk|KEY": ["cooldown"],
    });
    assert.deepEqual(await decisions(db, cluster, "2026-03-08T12:00:00Z"), { "disk|KEY": "notify" });
    const [held] = await rows(db, "select qualifies, last_notified_at, next_eligible_at from decide(1, $1)", [
      "2026-03-02",
    ]);
    assert.deepEqual(held, {
      qualifies: true,
      last_notified_at: "2026-03-01T12:00:00Z",
      next_eligible_at: "2026-03-08T12:00:00Z",
    });
  }));

test("asked about the time at which an issue was notified, it was to be notified; right after, it was not", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, cluster, "2026-03-01T12:00:00Z", ["disk"]);
    const before = "2026-03-01T11:59:59.999999Z";
    assert.deepEqual(await decisions(db, cluster, before), {}, "its report had not arrived");
    assert.deepEqual(await decisions(db, cluster, "2026-03-01T12:00:00Z"), { "disk|KEY": "notify" });
    assert.deepEqual(await decisions(db, cluster, "2026-03-01T12:00:00.000001Z"), {
      "disk|KEY": ["cooldown"],
    });
  }));

test("a cooldown comes on top of the other reasons", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, cluster, "2026-03-01", ["disk"]);
    await loadContent(db, [someContent("disk", { impact: 1, likelihood: 1 })], "2026-03-02");
    assert.deepEqual(await decisions(db, cluster, "2026-03-03"), {
      "disk|KEY": ["below_threshold", "cooldown"],
    });
  }));

test("with issue A notified, a new issue B is notified alone", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["a", "b"]);
    await reportAndDecide(db, cluster, "2026-03-01", ["a"]);
    await reportAndDecide(db, cluster, "2026-03-02", ["a", "b"]);
    assert.deepEqual(await notified(db, cluster), [["a|KEY"], ["b|KEY"]]);
  }));

test("issue A is notified again after its own cooldown although B was notified in between", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["a", "b"]);
    await reportAndDecide(db, cluster, "2026-03-01", ["a"]);
    await reportAndDecide(db, cluster, "2026-03-05", ["a", "b"]);
    await reportAndDecide(db, cluster, "2026-03-08", ["a", "b"]);
    await reportAndDecide(db, cluster, "2026-03-12", ["a", "b"]);
    assert.deepEqual(await notified(db, cluster), [["a|KEY"], ["b|KEY"], ["a|KEY"], ["b|KEY"]]);
  }));

test("the cooldown counts from the last time an issue was notified, not from the first", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["a"]);
    await reportAndDecide(db, cluster, "2026-03-01", ["a"]);
    await reportAndDecide(db, cluster, "2026-03-10", ["a"]);
    assert.deepEqual(await decisions(db, cluster, "2026-03-16"), { "a|KEY": ["cooldown"] });
    assert.deepEqual(await decisions(db, cluster, "2026-03-17"), { "a|KEY": "notify" });
  }));

test("an issue that goes and comes back inside its cooldown is not notified again", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, cluster, "2026-03-01", ["disk"]);
    await reportAndDecide(db, cluster, "2026-03-02", []);
    await reportAndDecide(db, cluster, "2026-03-03", ["disk"]);
    assert.deepEqual(await notified(db, cluster), [["disk|KEY"]]);
    await reportAndDecide(db, cluster, "2026-03-08", ["disk"]);
    assert.deepEqual(await notified(db, cluster), [["disk|KEY"], ["disk|KEY"]]);
    assert.deepEqual(await rows(db, "select occurrence from notified_issue order by notified_at"), [
      { occurrence: 1 },
      { occurrence: 2 },
    ]);
  }));

test("one cluster's cooldown does not hold another cluster's issue, nor another organization's", () =>
  rolledBack(database.pool, async (db) => {
    const [one, other] = [aCluster(), aCluster()];
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, one, "2026-03-01", ["disk"]);
    await reportAndDecide(db, other, "2026-03-02", ["disk"]);
    assert.deepEqual(await notified(db, other), [["disk|KEY"]]);
    await addReports(db, [{ org: 2, cluster: other, at: "2026-03-02", hits: ["disk"] }]);
    assert.deepEqual(await decideDue(db, "2026-03-03"), {
      clusters: 1,
      notifications: 1,
      notified: 1,
      held: 1,
    });
    assert.deepEqual(
      await rows(db, "select org_id from notification where cluster = $1 order by id", [other]),
      [{ org_id: "1" }, { org_id: "2" }],
    );
  }));

test("an issue that was below the threshold was not notified: it is notified as soon as its content rates it higher", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, [someContent("disk", { impact: 1, likelihood: 1 })]);
    await reportAndDecide(db, cluster, "2026-03-01T10:00:00Z", ["disk"]);
    assert.deepEqual(await notified(db, cluster), []);
    await loadContent(db, ["disk"], "2026-03-01T11:00:00Z");
    assert.equal(
      (await decideDue(db, "2026-03-01T11:00:01Z")).notified,
      1,
      "asked again without a new report",
    );
    assert.deepEqual(await notified(db, cluster), [["disk|KEY"]]);
  }));

test("a pending message counts as notified, a dead one does not", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, cluster, "2026-03-01", ["disk"]);
    assert.deepEqual(await decisions(db, cluster, "2026-03-02"), { "disk|KEY": ["cooldown"] });
    const [message] = await claim(db, "2026-03-02");
    const outcome = {
      id: message?.id,
      attempt: 1,
      sent: false,
      failure: "schema",
      error: "no",
      permanent: true,
    };
    await settle(db, [outcome], "2026-03-02");
    assert.deepEqual(await decisions(db, cluster, "2026-03-02"), { "disk|KEY": "notify" });
    await reportAndDecide(db, cluster, "2026-03-03", ["disk"]);
    assert.deepEqual(await notified(db, cluster), [["disk|KEY"], ["disk|KEY"]]);
  }));

test("what one target was notified does not hold the other", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, [someContent("disk", { tags: ["osd_customer"] })]);
    await reportAndDecide(db, cluster, "2026-03-01", ["disk"]);
    await setPolicy(db, serviceLog, { enabled: true }, "2026-03-02");
    assert.deepEqual(await decisions(db, cluster, "2026-03-03", notificationsBackend), {
      "disk|KEY": ["cooldown"],
    });
    assert.deepEqual(await decisions(db, cluster, "2026-03-03", serviceLog), { "disk|KEY": "notify" });
    await reportAndDecide(db, cluster, "2026-03-03", ["disk"]);
    assert.deepEqual(await notified(db, cluster, notificationsBackend), [["disk|KEY"]]);
    assert.deepEqual(await notified(db, cluster, serviceLog), [["disk|KEY"]]);
  }));

test("without a cooldown an issue is notified with every decision", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await setPolicy(db, notificationsBackend, { cooldown: "0" }, "2026-02-01");
    await reportAndDecide(db, cluster, "2026-03-01T12:00:00Z", ["disk"]);
    await reportAndDecide(db, cluster, "2026-03-01T12:00:01Z", ["disk"]);
    assert.deepEqual(await notified(db, cluster), [["disk|KEY"], ["disk|KEY"]]);
  }));

test("a cooldown that became longer holds what was notified before the change", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, cluster, "2026-03-01", ["disk"]);
    await setPolicy(db, notificationsBackend, { cooldown: "30 days" }, "2026-03-02");
    await addReport(db, cluster, "2026-03-10", ["disk"]);
    assert.deepEqual(await decisions(db, cluster, "2026-03-10"), { "disk|KEY": ["cooldown"] });
    assert.deepEqual(await decisions(db, cluster, "2026-03-31"), { "disk|KEY": "notify" });
  }));

test("a cooldown that became shorter lets an issue be notified again, and the ledger takes it", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await reportAndDecide(db, cluster, "2026-03-01", ["disk"]);
    await setPolicy(db, notificationsBackend, { cooldown: "1 day" }, "2026-03-02T12:00:00Z");
    const { notified: count } = await reportAndDecide(db, cluster, "2026-03-03", ["disk"]);
    assert.equal(count, 1);
    assert.deepEqual(await notified(db, cluster), [["disk|KEY"], ["disk|KEY"]]);
    const periods = await rows(
      db,
      "select cooldown_period::text as period from notified_issue order by notified_at",
    );
    assert.deepEqual(periods, [
      { period: '["2026-03-01 00:00:00+00","2026-03-02 00:00:00+00")' },
      { period: '["2026-03-03 00:00:00+00","2026-03-04 00:00:00+00")' },
    ]);
  }));
