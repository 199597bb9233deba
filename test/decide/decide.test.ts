import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aCluster,
  addReport,
  decisions,
  loadContent,
  notificationsBackend,
  rows,
  serviceLog,
  setPolicy,
  someContent,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";

test("an open issue that the policy lets through is to be notified", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await addReport(db, cluster, at, ["disk"]);
    assert.deepEqual(await decisions(db, cluster, at), { "disk|KEY": "notify" });
  }));

test("a closed issue has no decision", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk", "net"]);
    await addReport(db, cluster, "2026-03-01T10:00:00Z", ["disk", "net"]);
    await addReport(db, cluster, "2026-03-01T11:00:00Z", ["net"]);
    assert.deepEqual(await decisions(db, cluster, at), { "net|KEY": "notify" });
  }));

test("an issue without content is held for that reason alone", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk|OTHER_KEY"]);
    await setPolicy(db, notificationsBackend, { required_tags: ["any"] }, "2026-02-01");
    await addReport(db, cluster, at, ["disk"]);
    assert.deepEqual(await decisions(db, cluster, at), { "disk|KEY": ["no_content"] });
  }));

test("an issue whose rule is inactive is held", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, [someContent("disk", { status: "inactive" })]);
    await addReport(db, cluster, at, ["disk"]);
    assert.deepEqual(await decisions(db, cluster, at), { "disk|KEY": ["inactive"] });
  }));

test("the threshold is the least total risk that is notified", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    const risks = [1, 2, 3, 4];
    await loadContent(
      db,
      risks.map((risk) => someContent(`risk${risk}`, { impact: risk, likelihood: risk })),
    );
    await addReport(
      db,
      cluster,
      at,
      risks.map((risk) => `risk${risk}`),
    );
    for (const threshold of [0, 1, 2, 3, 4]) {
      await setPolicy(
        db,
        notificationsBackend,
        { total_risk_threshold: threshold },
        `2026-02-0${threshold + 1}`,
      );
      assert.deepEqual(
        await decisions(db, cluster, at),
        Object.fromEntries(
          risks.map((risk) => [`risk${risk}|KEY`, risk < threshold ? ["below_threshold"] : "notify"]),
        ),
        `threshold ${threshold}`,
      );
    }
  }));

test("total risk is the mean of impact and likelihood, rounded down", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, [
      someContent("a", { impact: 1, likelihood: 2 }),
      someContent("b", { impact: 4, likelihood: 3 }),
      someContent("c", { impact: 4, likelihood: 1 }),
      someContent("d", { impact: 4, likelihood: 4 }),
    ]);
    assert.deepEqual(await rows(db, "select total_risk from rule_content order by rule_name"), [
      { total_risk: 1 },
      { total_risk: 3 },
      { total_risk: 2 },
      { total_risk: 4 },
    ]);
  }));

test("a rule has to have all the tags that the policy requires", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, [
      someContent("none"),
      someContent("one", { tags: ["osd_customer"] }),
      someContent("both", { tags: ["security", "more", "osd_customer"] }),
    ]);
    await setPolicy(db, notificationsBackend, { required_tags: ["osd_customer", "security"] }, "2026-02-01");
    await addReport(db, cluster, at, ["none", "one", "both"]);
    assert.deepEqual(await decisions(db, cluster, at), {
      "none|KEY": ["missing_tag"],
      "one|KEY": ["missing_tag"],
      "both|KEY": "notify",
    });
  }));

test("every reason that holds an issue is given, not only the first", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, [someContent("disk", { status: "inactive", impact: 1, likelihood: 1 })]);
    await setPolicy(db, notificationsBackend, { enabled: false, required_tags: ["t"] }, "2026-02-01");
    await addReport(db, cluster, at, ["disk"]);
    assert.deepEqual(await decisions(db, cluster, at), {
      "disk|KEY": ["target_disabled", "inactive", "below_threshold", "missing_tag"],
    });
    assert.deepEqual(await rows(db, "select qualifies from decide(1, $1)", [at]), [{ qualifies: false }]);
  }));

test("a target decides by its own policy", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk", someContent("net", { impact: 1, likelihood: 1, tags: ["osd_customer"] })]);
    await setPolicy(db, serviceLog, { enabled: true }, "2026-02-01");
    await addReport(db, cluster, at, ["disk", "net"]);
    assert.deepEqual(await decisions(db, cluster, at, notificationsBackend), {
      "disk|KEY": "notify",
      "net|KEY": ["below_threshold"],
    });
    assert.deepEqual(await decisions(db, cluster, at, serviceLog), {
      "disk|KEY": ["missing_tag"],
      "net|KEY": "notify",
    });
  }));

test("the content of that time decides", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, [someContent("disk", { impact: 1, likelihood: 1 })], "2026-02-01T00:00:00Z");
    await loadContent(db, ["disk"], "2026-02-10T00:00:00Z");
    await loadContent(db, [], "2026-02-20T00:00:00Z");
    await addReport(db, cluster, "2026-01-01", ["disk"]);
    const expected = {
      "2026-01-31T23:59:59Z": ["no_content"],
      "2026-02-01T00:00:00Z": ["below_threshold"],
      "2026-02-09T23:59:59Z": ["below_threshold"],
      "2026-02-10T00:00:00Z": "notify",
      "2026-02-20T00:00:00Z": ["no_content"],
    };
    for (const [when, decision] of Object.entries(expected)) {
      assert.deepEqual(await decisions(db, cluster, when), { "disk|KEY": decision }, when);
    }
  }));

test("the policy of that time decides", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await addReport(db, cluster, "2026-01-01", ["disk"]);
    await setPolicy(db, notificationsBackend, { enabled: false }, "2026-02-10T00:00:00Z");
    await setPolicy(db, notificationsBackend, { enabled: true }, "2026-02-20T00:00:00Z");
    const expected = {
      "2026-02-09T23:59:59Z": "notify",
      "2026-02-10T00:00:00Z": ["target_disabled"],
      "2026-02-19T23:59:59Z": ["target_disabled"],
      "2026-02-20T00:00:00Z": "notify",
    };
    for (const [when, decision] of Object.entries(expected)) {
      assert.deepEqual(await decisions(db, cluster, when), { "disk|KEY": decision }, when);
    }
  }));

test("a decision names the issue, the versions that decided and when its cluster last reported", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"], "2026-02-01T00:00:00Z");
    await setPolicy(db, notificationsBackend, { cooldown: "3 days" }, "2026-02-01T00:00:00Z");
    await addReport(db, cluster, "2026-03-01T10:00:00Z", ["disk"]);
    await addReport(db, cluster, "2026-03-01T11:00:00Z", ["disk"]);
    const [decision] = await rows(db, "select * from decide(1, $1)", [at]);
    const ids = await rows(
      db,
      `select (select id from issue) as issue_id, (select id from rule_content) as content_id,
         (select id from policy where target_id = 1 and upper_inf(validity)) as policy_id`,
    );
    assert.deepEqual(decision, {
      target_id: 1,
      org_id: "1",
      cluster,
      component: "ccx_rules_ocp.external.rules.disk.report",
      error_key: "KEY",
      occurrence: 1,
      issue_state: "new",
      first_seen: "2026-03-01T10:00:00Z",
      last_seen: "2026-03-01T11:00:00Z",
      total_risk: 3,
      decision: "notify",
      reasons: [],
      qualifies: true,
      last_notified_at: null,
      next_eligible_at: null,
      silence_id: null,
      render_error: null,
      acknowledgement_id: null,
      ...ids[0],
    });
  }));

test("an issue is held while the newest report of its cluster is older than max_report_age", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await setPolicy(db, notificationsBackend, { max_report_age: "24 hours" }, "2026-02-01");
    await addReport(db, cluster, "2026-03-01T00:00:00Z", ["disk"]);
    const reasons = (when: string) =>
      value(db, "select reasons from decide(1, $1, array[$2])", [when, cluster]);
    assert.deepEqual(await reasons("2026-03-02T00:00:00Z"), []);
    assert.deepEqual(await reasons("2026-03-02T00:00:01Z"), ["stale_report"]);
    await addReport(db, cluster, "2026-03-01T00:00:02Z", ["disk"]);
    assert.deepEqual(await reasons("2026-03-02T00:00:01Z"), [], "asked again with the next one");
    await setPolicy(db, notificationsBackend, { max_report_age: null }, "2026-03-02T01:00:00Z");
    assert.deepEqual(await reasons("2027-01-01T00:00:00Z"), []);
  }));

test("the age of a report is that of the newest one that had arrived by then", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    for (const day of ["2026-03-01", "2026-03-05"]) await addReport(db, cluster, day, ["disk"]);
    const seen = async (at: string) =>
      value(db, "select last_seen from decide(1, $1, array[$2])", [at, cluster]);
    assert.equal(await seen("2026-03-04"), "2026-03-01T00:00:00Z");
    assert.equal(await seen("2026-03-05"), "2026-03-05T00:00:00Z");
    await setPolicy(db, notificationsBackend, { max_report_age: "2 days" }, "2026-02-01");
    assert.deepEqual(await decisions(db, cluster, "2026-03-04"), { "disk|KEY": ["stale_report"] });
    assert.deepEqual(await decisions(db, cluster, "2026-03-06"), { "disk|KEY": "notify" });
  }));

test("what could not be rendered is held for a day", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await addReport(db, cluster, "2026-03-01", ["disk"]);
    await db.query(
      `insert into render_failure (issue_id, target_id, content_id, occurrence, failed_at, error)
       select i.id, 1, c.id, 1, '2026-03-01', 'broken' from issue i, rule_content c`,
    );
    assert.deepEqual(await decisions(db, cluster, "2026-03-01T23:59:59Z"), { "disk|KEY": ["render_failed"] });
    assert.deepEqual(await decisions(db, cluster, "2026-03-02"), { "disk|KEY": "notify" });
  }));
