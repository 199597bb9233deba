import assert from "node:assert/strict";
import { test } from "node:test";
import { aCluster, addReports, loadContent, rows } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { setScopedPolicy } from "../support/policies.ts";

const database = testDatabase();

test("rules with open issues and without content are listed, with how many wait for them", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["known", "known|OTHER", "past", "coming"], "2020-01-01T00:00:00Z");
    await loadContent(db, ["known", "known|OTHER"], "2020-02-01T00:00:00Z");
    await setScopedPolicy(db, {}, { enabled: false, total_risk_threshold: 4 }, "2026-01-01");
    await setScopedPolicy(db, { target: "service log" }, { enabled: true }, "2026-01-01");
    const [one, two, elsewhere, healed] = [aCluster(), aCluster(), aCluster(), aCluster()];
    await addReports(db, [
      { cluster: one, at: "2026-03-01T02:00:00Z", hits: ["known", "past", "new", "new|OTHER"] },
      { cluster: one, at: "2026-03-02T00:00:00Z", hits: ["known", "past", "new", "new|OTHER"] },
      { cluster: two, at: "2026-03-01T01:00:00Z", hits: ["new", "known|UNKNOWN"] },
      { cluster: elsewhere, at: "2026-03-01T03:00:00Z", hits: ["new"], org: 2 },
      { cluster: healed, at: "2026-03-01T00:00:00Z", hits: ["new", "gone"] },
      { cluster: healed, at: "2026-03-01T04:00:00Z", hits: [] },
    ]);
    const missing = (rule: string, error_key: string, counts: number[], first_seen: string) => ({
      component: `ccx_rules_ocp.external.rules.${rule}.report`,
      error_key,
      issues: String(counts[0]),
      clusters: String(counts[1]),
      organizations: String(counts[2]),
      first_seen,
    });
    assert.deepEqual(await rows(db, "select * from missing_content order by component, error_key"), [
      missing("known", "UNKNOWN", [1, 1, 1], "2026-03-01T01:00:00Z"),
      missing("new", "KEY", [3, 3, 2], "2026-03-01T01:00:00Z"),
      missing("new", "OTHER", [1, 1, 1], "2026-03-01T02:00:00Z"),
      missing("past", "KEY", [1, 1, 1], "2026-03-01T02:00:00Z"),
    ]);
    await loadContent(db, ["known", "known|UNKNOWN", "new", "new|OTHER", "past"], "2020-03-01T00:00:00Z");
    assert.deepEqual(await rows(db, "select * from missing_content"), []);
  }));
