import assert from "node:assert/strict";
import { test } from "node:test";
import { aCluster, addReport, decisions, loadContent, value } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();

test("every spelling of a rule names the same rule", async () => {
  const spellings = {
    "ccx_rules_ocp.external.rules.disk.report": "disk",
    "ccx_rules_ocp.external.rules.disk.recommendation": "disk",
    "ccx_rules_ocp.external.rules.disk": "disk",
    disk: "disk",
    "disk.report": "disk",
    "disk|KEY": "disk",
    "ccx_rules_ocp.external.rules.disk.report|KEY": "disk",
    "ccx_rules_ocp.external.rules.disk|KEY.WITH.DOTS.report": "disk",
    "a.report.disk": "disk",
    "a.disk_report": "disk_report",
    "a.disk.reports": "reports",
    report: "report",
  };
  for (const [spelling, name] of Object.entries(spellings)) {
    assert.equal(await value(database.pool, "select rule_name($1)", [spelling]), name, spelling);
  }
});

test("content is found for a component however the report spells it", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk"]);
    for (const component of ["a.b.disk.report", "a.b.disk", "disk"]) {
      const cluster = aCluster();
      await addReport(db, cluster, "2026-03-01", JSON.stringify({ reports: [{ component, key: "KEY" }] }));
      assert.deepEqual(await decisions(db, cluster, "2026-03-01"), { "disk|KEY": "notify" });
    }
  }));
