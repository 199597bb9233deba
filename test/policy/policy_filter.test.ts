import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  addReport,
  decideDue,
  decisions,
  loadContent,
  notified,
  rows,
  someContent,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { explained, setScopedPolicy, wholeTable } from "../support/policies.ts";
import { refused } from "../support/sessions.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";
const low = { impact: 1, likelihood: 1 };

const results = (db: PoolClient) =>
  rows(
    db,
    `select p.filter, c.rule_name as rule, f.passes, f.error
     from filter_result f join policy p on p.id = f.policy_id join rule_content c on c.id = f.content_id
     order by p.id, c.rule_name, c.id`,
  );

test("with a filter, the filter decides and the thresholds are only its variables", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["high", someContent("low", low)]);
    await addReport(db, cluster, at, ["high", "low"]);
    const thresholds = { total_risk_threshold: 3, likelihood_threshold: 4, severity_threshold: 4 };
    await setScopedPolicy(db, {}, { ...thresholds, filter: "totalRisk < totalRiskThreshold" }, "2026-02-01");
    assert.deepEqual(await decisions(db, cluster, at), { "high|KEY": ["filtered"], "low|KEY": "notify" });
    const { "high|KEY": held } = await explained(db, cluster, at);
    assert.equal(held?.qualifies, false);
    await setScopedPolicy(db, {}, { filter: null }, "2026-02-02");
    assert.deepEqual(await decisions(db, cluster, at), {
      "high|KEY": ["below_threshold"],
      "low|KEY": ["below_threshold"],
    });
  }));

test("a filter lets through what is greater than 0, and nothing else", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await addReport(db, cluster, at, ["disk"]);
    const answers = { "2": "notify", "1": "notify", "0": ["filtered"], "-1": ["filtered"] };
    for (const [nth, [filter, answer]] of Object.entries(answers).entries()) {
      await setScopedPolicy(db, {}, { filter }, `2026-02-0${nth + 1}`);
      assert.deepEqual(await decisions(db, cluster, at), { "disk|KEY": answer }, filter);
    }
  }));

test("a filter reads the variables of the content and the thresholds of its policy", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, [someContent("disk", { impact: 2, likelihood: 4 })]);
    await addReport(db, cluster, at, ["disk"]);
    const thresholds = {
      total_risk_threshold: 0,
      likelihood_threshold: 1,
      impact_threshold: 3,
      severity_threshold: 4,
    };
    const holds = [
      ...["impact == 2", "likelihood == 4", "severity == 0", "totalRisk == 3"],
      ...["totalRiskThreshold == 0", "likelihoodThreshold == 1"],
      ...["impactThreshold == 3", "severityThreshold == 4"],
    ];
    await setScopedPolicy(db, {}, { ...thresholds, filter: holds.join(" && ") }, "2026-02-01");
    assert.deepEqual(await decisions(db, cluster, at), { "disk|KEY": "notify" });
  }));

test("a filter that divides by zero holds that content only, and filter_result says why", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk", someContent("low", low)]);
    await addReport(db, cluster, at, ["disk", "low"]);
    await setScopedPolicy(db, {}, { filter: "1 / (impact - 1) + 1" }, "2026-02-01");
    assert.deepEqual(await decisions(db, cluster, at), { "disk|KEY": "notify", "low|KEY": ["filtered"] });
    const [disk, divided] = await results(db);
    assert.partialDeepStrictEqual(disk, { rule: "disk", passes: true, error: null });
    assert.partialDeepStrictEqual(divided, { rule: "low", passes: false });
    assert.match(String(divided?.error), /divides by zero/);
  }));

test("what has no content is held for that, not by the filter", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, at, ["unknown"]);
    await setScopedPolicy(db, {}, { filter: "1" }, "2026-02-01");
    assert.deepEqual(await decisions(db, cluster, at), { "unknown|KEY": ["no_content"] });
  }));

test("a filter that cannot be read is refused with its place, and nothing changes", () =>
  rolledBack(database.pool, async (db) => {
    await setScopedPolicy(db, {}, { filter: "impact > 1" }, "2026-02-01");
    const before = [await wholeTable(db, "policy"), await results(db)];
    for (const filter of ["impact >", "impact > colour", "(impact", "1 + ", "impact & 1", "  "]) {
      for (const scope of [{}, { org: 1 }, { rule: "disk" }]) {
        await refused(db, filter.trim() === "" ? "NTF02" : "NTF03", () =>
          setScopedPolicy(db, scope, { filter }, "2026-03-01"),
        );
      }
    }
    assert.deepEqual([await wholeTable(db, "policy"), await results(db)], before);
  }));

test("a filter is evaluated for content that comes later, and once for each policy and content", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, "2026-02-01", ["disk", "low"]);
    await setScopedPolicy(db, {}, { filter: "impact > 2" }, "2026-02-01");
    assert.deepEqual(await results(db), []);
    await loadContent(db, ["disk", someContent("low", low)], "2026-02-10");
    const first = [
      { filter: "impact > 2", rule: "disk", passes: true, error: null },
      { filter: "impact > 2", rule: "low", passes: false, error: null },
    ];
    assert.deepEqual(await results(db), first);
    await loadContent(db, ["disk", "low"], "2026-02-20");
    assert.deepEqual(await results(db), [...first, { ...first[1], passes: true }], "only what changed");
    assert.deepEqual(await decisions(db, cluster, "2026-02-19"), {
      "disk|KEY": "notify",
      "low|KEY": ["filtered"],
    });
    assert.deepEqual(await decisions(db, cluster, "2026-02-20"), {
      "disk|KEY": "notify",
      "low|KEY": "notify",
    });
    for (let n = 0; n < 3; n++) await addReport(db, aCluster(), at, ["disk", "low"]);
    await decideDue(db, at);
    assert.equal((await results(db)).length, 3, "never for an issue");
  }));

test("a filter of a later policy is evaluated for the content of its time, each policy for itself", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["gone"], "2026-01-01");
    await loadContent(db, ["disk"], "2026-01-10");
    await addReport(db, cluster, "2026-02-01", ["disk"]);
    await setScopedPolicy(db, {}, { filter: "impact > 2" }, "2026-02-01");
    await setScopedPolicy(db, { org: 1 }, { filter: "impact > 3" }, "2026-02-02");
    await setScopedPolicy(db, { rule: "disk" }, { filter: null }, "2026-02-03");
    assert.deepEqual(await results(db), [
      { filter: "impact > 2", rule: "disk", passes: true, error: null },
      { filter: "impact > 3", rule: "disk", passes: false, error: null },
    ]);
    assert.deepEqual(await decisions(db, cluster, "2026-02-01"), { "disk|KEY": "notify" });
    assert.deepEqual(await decisions(db, cluster, at), { "disk|KEY": ["filtered"] });
  }));

test("an issue that a filter let through later is notified then, without a new report", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await setScopedPolicy(db, {}, { filter: "impact > 3" }, "2026-02-01");
    await addReport(db, cluster, at, ["disk"]);
    assert.equal((await decideDue(db, at)).notified, 0);
    await loadContent(db, [someContent("disk", { impact: 4 })], "2026-03-01T13:00:00Z");
    assert.equal((await decideDue(db, "2026-03-01T13:00:01Z")).notified, 1);
    assert.deepEqual(await notified(db, cluster), [["disk|KEY"]]);
  }));
