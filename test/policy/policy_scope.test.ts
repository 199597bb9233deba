import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aCluster,
  addReport,
  addReports,
  decisions,
  loadContent,
  rows,
  serviceLog,
  someContent,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { endPolicy, explainedAs, type Scope, setScopedPolicy } from "../support/policies.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";

test("the narrowest policy decides: organization and rule, organization, rule, target; and explain says which", () =>
  rolledBack(database.pool, async (db) => {
    const [mine, theirs] = [aCluster(), aCluster()];
    await loadContent(db, ["disk", "net"]);
    await addReports(db, [
      { org: 1, cluster: mine, at, hits: ["disk", "net"] },
      { org: 2, cluster: theirs, at, hits: ["disk", "net"] },
    ]);
    // made in an order that is none of width, so that neither the oldest nor the newest can be meant
    const scopes: Record<string, Scope> = {
      rule: { rule: "disk" },
      both: { org: 1, rule: "disk" },
      everybody: {},
      organization: { org: 1 },
    };
    const ids: Record<string, unknown> = {};
    for (const [nth, [name, scope]] of Object.entries(scopes).entries()) {
      const when = `2026-02-0${nth + 1}T00:00:00Z`;
      ids[name] = (await setScopedPolicy(db, scope, { max_events: nth + 1 }, when)).id;
    }
    assert.deepEqual(await explainedAs(db, "policy_id", mine, at), {
      "disk|KEY": ids.both,
      "net|KEY": ids.organization,
    });
    const elsewhere = aCluster();
    await addReports(db, [{ org: 3, cluster: elsewhere, at, hits: ["disk"] }]);
    const { id } = await setScopedPolicy(db, { org: 3 }, {}, "2026-02-05T00:00:00Z");
    assert.deepEqual(await explainedAs(db, "policy_id", elsewhere, at), { "disk|KEY": id });
    assert.deepEqual(await explainedAs(db, "policy_id", theirs, at), {
      "disk|KEY": ids.rule,
      "net|KEY": ids.everybody,
    });
  }));

test("what the narrowest policy says counts, although the wider ones say otherwise", () =>
  rolledBack(database.pool, async (db) => {
    const [mine, theirs] = [aCluster(), aCluster()];
    await loadContent(db, ["disk", "net"]);
    await addReports(db, [
      { org: 1, cluster: mine, at, hits: ["disk", "net"] },
      { org: 2, cluster: theirs, at, hits: ["disk", "net"] },
    ]);
    await setScopedPolicy(db, { rule: "disk" }, { total_risk_threshold: 4 }, "2026-02-01");
    await setScopedPolicy(db, { org: 1 }, { enabled: false }, "2026-02-02");
    await setScopedPolicy(db, { org: 1, rule: "disk" }, { enabled: true }, "2026-02-03");
    assert.deepEqual(await decisions(db, mine, at), { "disk|KEY": "notify", "net|KEY": ["policy_disabled"] });
    assert.deepEqual(await decisions(db, theirs, at), {
      "disk|KEY": ["below_threshold"],
      "net|KEY": "notify",
    });
  }));

test("a policy for a rule is for it in any spelling, and for all its error keys", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk|A", "disk|B", "disk2|A"]);
    await addReport(db, cluster, at, ["disk|A", "disk|B", "disk2|A"]);
    const spellings = ["disk", "a.b.disk", "a.b.disk.report"];
    for (const [nth, rule] of spellings.entries()) {
      const made = await setScopedPolicy(db, { rule }, { max_events: nth + 1 }, `2026-02-0${nth + 1}`);
      assert.equal(made.rule_name, "disk");
      const decided = await explainedAs(db, "policy_id", cluster, at);
      assert.deepEqual([decided["disk|A"], decided["disk|B"]], [made.id, made.id], rule);
      assert.notEqual(decided["disk2|A"], made.id);
    }
    assert.equal(await value(db, "select count(*)::integer from policy where rule_name = 'disk'"), 3);
  }));

test("a policy for a rule is for its target only", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, [someContent("disk", { tags: ["osd_customer"] })]);
    await addReport(db, cluster, at, ["disk"]);
    await setScopedPolicy(db, { target: serviceLog }, { enabled: true }, "2026-02-01");
    await setScopedPolicy(db, { rule: "disk" }, { enabled: false }, "2026-02-01");
    assert.deepEqual(await decisions(db, cluster, at, serviceLog), { "disk|KEY": "notify" });
    assert.deepEqual(await decisions(db, cluster, at), { "disk|KEY": ["policy_disabled"] });
  }));

test("a target that is switched off is off for everybody, whatever a narrower policy says", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, [someContent("disk", { tags: ["osd_customer"] }), "net"]);
    await addReport(db, cluster, at, ["disk", "net"]);
    await setScopedPolicy(db, { target: serviceLog, org: 1, rule: "disk" }, { enabled: true }, "2026-02-01");
    await setScopedPolicy(db, { target: serviceLog, org: 1 }, { enabled: false }, "2026-02-01");
    assert.deepEqual(await decisions(db, cluster, at, serviceLog), {
      "disk|KEY": ["target_disabled"],
      "net|KEY": ["target_disabled", "missing_tag"],
    });
    await setScopedPolicy(db, { target: serviceLog }, { enabled: true }, "2026-02-02");
    assert.deepEqual(await decisions(db, cluster, at, serviceLog), {
      "disk|KEY": "notify",
      "net|KEY": ["policy_disabled", "missing_tag"],
    });
  }));

test("a narrower policy begins as a copy of the narrowest wider one, and is independent of it from then on", () =>
  rolledBack(database.pool, async (db) => {
    await setScopedPolicy(
      db,
      {},
      { cooldown: "2 days", required_tags: ["t"], filter: "impact" },
      "2026-02-01",
    );
    await setScopedPolicy(db, { rule: "disk" }, { max_events: 5, blocked_clusters: ["b"] }, "2026-02-02");
    await setScopedPolicy(db, { org: 1 }, { max_events: 7, spacing: "1 hour" }, "2026-02-03");
    const own = await setScopedPolicy(db, { org: 1, rule: "disk" }, { impact_threshold: 2 }, "2026-02-04");
    const columns = `max_events, cooldown::text, required_tags, filter, blocked_clusters, spacing::text, impact_threshold as impact`;
    const ofOwn = async () =>
      (
        await rows(
          db,
          `select ${columns} from policy where org_id = 1 and rule_name = 'disk' and upper_inf(validity)`,
        )
      )[0];
    const expected = {
      max_events: 7, // the organization's: it goes before the rule's
      cooldown: "2 days",
      required_tags: ["t"],
      filter: "impact",
      blocked_clusters: [],
      spacing: "01:00:00",
      impact: 2,
    };
    assert.deepEqual(await ofOwn(), expected);
    await setScopedPolicy(db, {}, { cooldown: "9 days", required_tags: [], filter: null }, "2026-02-05");
    await setScopedPolicy(db, { org: 1 }, { max_events: 1 }, "2026-02-05");
    assert.deepEqual(await ofOwn(), expected);
    await setScopedPolicy(db, { org: 1, rule: "disk" }, { spacing: "0" }, "2026-02-06");
    assert.deepEqual(await ofOwn(), { ...expected, spacing: "00:00:00" });
    assert.equal(
      await value(db, "select upper(validity) from policy where id = $1", [own.id]),
      "2026-02-06T00:00:00Z",
    );
    assert.equal(
      await value(
        db,
        "select max_events from policy where target_id = 1 and upper_inf(validity) and org_id is null and rule_name = 'disk'",
      ),
      5,
    );
  }));

test("a narrower policy is a version beside the wider one, which stays in force for the others", () =>
  rolledBack(database.pool, async (db) => {
    const before = await value(db, "select id from policy where target_id = 1");
    await setScopedPolicy(db, { org: 1 }, { enabled: false }, "2026-02-01");
    assert.deepEqual(
      await rows(db, "select id, org_id from policy where target_id = 1 and upper_inf(validity) order by id"),
      [
        { id: before, org_id: null },
        { id: String(Number(await value(db, "select max(id) from policy"))), org_id: "1" },
      ],
    );
  }));

test("a policy may be for an organization that never reported, and waits for it", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await setScopedPolicy(db, { org: 987654321, rule: "never.seen" }, { enabled: false }, "2026-02-01");
    await setScopedPolicy(db, { org: 987654321 }, { total_risk_threshold: 4 }, "2026-02-01");
    await addReports(db, [{ org: 987654321, cluster, at, hits: ["disk"] }]);
    assert.deepEqual(await decisions(db, cluster, at), { "disk|KEY": ["below_threshold"] });
  }));

test("the past keeps its answer: each version decides for its own time, the wider one before and after", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await addReport(db, cluster, "2026-01-01", ["disk"]);
    await setScopedPolicy(db, { org: 1 }, { total_risk_threshold: 4 }, "2026-02-10T00:00:00Z");
    await setScopedPolicy(db, { org: 1 }, { enabled: false }, "2026-02-15T00:00:00Z");
    await endPolicy(db, { org: 1 }, "2026-02-20T00:00:00Z");
    const expected = {
      "2026-02-09T23:59:59.999999Z": "notify",
      "2026-02-10T00:00:00Z": ["below_threshold"],
      "2026-02-14T23:59:59.999999Z": ["below_threshold"],
      "2026-02-15T00:00:00Z": ["policy_disabled", "below_threshold"],
      "2026-02-19T23:59:59.999999Z": ["policy_disabled", "below_threshold"],
      "2026-02-20T00:00:00Z": "notify",
    };
    for (const [when, decision] of Object.entries(expected)) {
      assert.deepEqual(await decisions(db, cluster, when), { "disk|KEY": decision }, when);
    }
  }));
