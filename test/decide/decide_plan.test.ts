import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { loadContent, type Row, value } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { addSilence, disableRule, setScopedPolicy, toggleRule } from "../support/policies.ts";

const database = testDatabase();

type Plan = { "Node Type": string; "Relation Name"?: string; Plans?: Plan[] };

/** What a query reads, as `Seq Scan issue`. */
async function scans(db: PoolClient, query: string): Promise<string[]> {
  const [{ Plan: plan }] = (await value(db, `explain (format json) ${query}`)) as [{ Plan: Plan }];
  const nodes = (node: Plan): Plan[] => [node, ...(node.Plans ?? []).flatMap(nodes)];
  return nodes(plan)
    .filter((node) => node["Relation Name"] !== undefined)
    .map((node) => `${node["Node Type"]} ${node["Relation Name"]}`);
}

/** 3,000 clusters with three issues each, all told once; policies, silences and acknowledgements of every kind. */
async function aFleet(db: PoolClient): Promise<void> {
  await loadContent(db, ["disk", "net", "cpu"]);
  const change: Row = { spacing: "1 hour", filter: "totalRisk > 1" };
  await setScopedPolicy(db, {}, change, "2026-02-01");
  for (const org of [1, 2, 3]) await setScopedPolicy(db, { org }, { max_events: org }, "2026-02-02");
  await setScopedPolicy(db, { rule: "disk" }, { blocked_clusters: ["cluster-5"] }, "2026-02-02");
  for (const org_id of [4, 5, 6]) await addSilence(db, { org_id });
  for (let n = 10; n < 40; n++) {
    await addSilence(db, { cluster: `cluster-${n}`, rule: "net" });
    await toggleRule(db, `cluster-${n}`, "cpu", "");
    await disableRule(db, n, "disk", "");
  }
  const hits = ["disk", "net", "cpu"].map((rule) => ({ component: `${rule}.report`, key: "KEY" }));
  await db.query(
    `insert into new_reports (org_id, cluster, updated_at, report)
     select 1 + n % 50, 'cluster-' || n, '2026-03-01', $1 from generate_series(1, 3000) n`,
    [JSON.stringify({ reports: hits })],
  );
  await db.query("select decide_due(10000, '2026-03-01')");
  await db.query("analyze");
}

test("a question about some clusters reads those clusters only", () =>
  rolledBack(database.pool, async (db) => {
    await aFleet(db);
    const clusters = "select array_agg('cluster-' || n) from generate_series(100, 104) n";
    const batch = String(await value(db, `select quote_literal((${clusters})::text)`));
    const questions = [
      "select * from explain_notification where cluster = 'cluster-77'",
      "select * from new_issues where cluster = 'cluster-77'",
      "select * from decide(1, '2026-03-02', array['cluster-77'])",
      `select * from decide(1, '2026-03-02', ${batch}::text[])`,
      `select d.* from event_targets t cross join lateral decide(t.id, '2026-03-02', ${batch}::text[]) d`,
    ];
    for (const question of questions) {
      const read = await scans(db, question);
      for (const table of ["issue", "notified_issue", "latest_report", "notification"]) {
        assert.ok(!read.includes(`Seq Scan ${table}`), `${question} reads all of ${table}`);
        assert.ok(
          read.some((scan) => scan.endsWith(` ${table}`)),
          `${question} does not read ${table}`,
        );
      }
    }
  }));

test("what a filter says is looked up, not worked out for each issue", () =>
  rolledBack(database.pool, async (db) => {
    await aFleet(db);
    const plan = JSON.stringify(
      await value(db, "explain (verbose, format json) select * from explain_notification"),
    );
    assert.doesNotMatch(plan, /evaluate_filter|filter_passes|compile_filter/);
    assert.match(plan, /"Relation Name":"filter_result"/);
    assert.equal(await value(db, "select count(*)::integer from filter_result"), 15, "5 policies, 3 rules");
  }));
