import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { type Db, loadContent, type Row, rows, value } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { addSilence, disableRule, setScopedPolicy, toggleRule } from "../support/policies.ts";

const database = testDatabase();

type Plan = { "Node Type": string; "Relation Name"?: string; "Parent Relationship"?: string; Plans?: Plan[] };
type Measured = Plan & { "Shared Hit Blocks": number; "Shared Read Blocks": number };

/** What a query reads, as `Seq Scan issue`. */
async function scans(db: PoolClient, query: string): Promise<string[]> {
  const [{ Plan: plan }] = (await value(db, `explain (format json) ${query}`)) as [{ Plan: Plan }];
  const nodes = (node: Plan): Plan[] => [node, ...(node.Plans ?? []).flatMap(nodes)];
  return nodes(plan)
    .filter((node) => node["Relation Name"] !== undefined)
    .map((node) => `${node["Node Type"]} ${node["Relation Name"]}`);
}

/** How many pages a query reads, in whatever functions. */
async function pages(db: PoolClient, query: string): Promise<number> {
  const [{ Plan: plan }] = (await value(db, `explain (analyze, buffers, format json) ${query}`)) as [
    { Plan: Measured },
  ];
  return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"];
}

/**
 * 8,000 clusters (of fewer, reading all of a table may really be the cheapest) with three issues each, all
 * notified once; policies, silences and acknowledgements of every kind.
 */
async function makeFleet(db: Db): Promise<void> {
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
    `insert into new_reports (org_id, cluster, updated_at, received_at, report)
     select 1 + n % 50, 'cluster-' || n, '2026-03-01', '2026-03-01', $1 from generate_series(1, 8000) n`,
    [JSON.stringify({ reports: hits })],
  );
  await db.query("select decide_due(10000, '2026-03-01')");
  await db.query("analyze");
}

/** One fleet for all tests: what is rolled back leaves statistics behind that speak of other tables. */
let fleet: Promise<void> | undefined;
const withFleet = async (work: (db: PoolClient) => Promise<void>) => {
  fleet ??= makeFleet(database.pool);
  await fleet;
  await rolledBack(database.pool, work);
};

async function readsOnlyItsClusters(db: PoolClient): Promise<void> {
  const clusters = "select array_agg('cluster-' || n) from generate_series(100, 104) n";
  const batch = String(await value(db, `select quote_literal((${clusters})::text)`));
  const questions = [
    "select * from explain_notification where cluster = 'cluster-77'",
    "select * from new_issues where cluster = 'cluster-77'",
    "select * from decide(1, '2026-03-02', array['cluster-77'])",
    `select * from decide(1, '2026-03-02', ${batch}::text[])`,
    `select * from decide(null, '2026-03-02', ${batch}::text[])`,
  ];
  for (const question of questions) {
    const read = await scans(db, question);
    for (const table of ["issue", "occurrence", "notified_issue", "latest_report"]) {
      assert.ok(!read.includes(`Seq Scan ${table}`), `${question} reads all of ${table}`);
      assert.ok(
        read.some((scan) => scan.endsWith(` ${table}`)),
        `${question} does not read ${table}`,
      );
    }
    // what few issues have, here the last message of their cluster, is looked up in functions: to read all of
    // notification for each of the 30 answers would be ten thousand pages
    const touched = await pages(db, question);
    assert.ok(touched < 2_000, `${question} reads ${touched} pages`);
  }
}

test("a question about some clusters reads those clusters only", () =>
  withFleet(async (db) => {
    await readsOnlyItsClusters(db);
  }));

test("a question about some clusters reads those clusters only, however many policies and acknowledgements there are", () =>
  withFleet(async (db) => {
    await db.query(
      `insert into policy (target_id, org_id, rule_name, cooldown, validity, reason)
       select t, org, rule, '7 days', '[-infinity,)', 'for the test'
       from generate_series(1, 2) t, generate_series(100, 1099) org, unnest(array['disk', null]) rule`,
    );
    await db.query(
      `insert into cluster_rule_toggle (cluster_id, rule_id, error_key, disabled)
       select 'cluster-' || n, 'disk', '', 1 from generate_series(1001, 1300) n`,
    );
    await db.query("analyze");
    await readsOnlyItsClusters(db);
  }));

test("what a filter says is looked up, not worked out for each issue", () =>
  withFleet(async (db) => {
    assert.equal(await value(db, "select count(*)::integer from filter_result"), 15, "5 policies, 3 rules");
    const answer =
      "select count(*), md5(string_agg(d::text, ' ' order by issue_id)) from decide(1, '2026-03-02') d";
    const before = await rows(db, answer);
    await db.query(
      `create or replace function ccx.evaluate_filter(
         compiled text[], likelihood bigint, impact bigint, severity bigint, total_risk bigint, likelihood_threshold bigint,
         impact_threshold bigint, severity_threshold bigint, total_risk_threshold bigint) returns bigint
       language plpgsql immutable as $$ begin raise exception 'worked out'; end $$`,
    );
    assert.deepEqual(await rows(db, answer), before);
    await db.query("delete from filter_result where policy_id = (select max(policy_id) from filter_result)");
    await assert.rejects(rows(db, answer), /worked out/, "only where the answer is missing");
  }));

test("a fleet is explained by several workers, which look nothing up row by row", () =>
  withFleet(async (db) => {
    await db.query("set local min_parallel_table_scan_size = 0; set local parallel_setup_cost = 0");
    await db.query("set local parallel_tuple_cost = 0; set local max_parallel_workers_per_gather = 2");
    const question =
      "select decision, reasons, count(*) from explain_notification group by decision, reasons";
    const [{ Plan: plan }] = (await value(db, `explain (format json) ${question}`)) as [{ Plan: Plan }];
    const nodes = (node: Plan): Plan[] => [node, ...(node.Plans ?? []).flatMap(nodes)];
    const all = nodes(plan);
    assert.ok(all.some((node) => node["Node Type"].startsWith("Gather")));
    // the moment that is asked about (given()) is an InitPlan that reads no table: it is asked for once
    const readsNothing = (node: Plan) => node["Node Type"] === "Result" && node.Plans === undefined;
    assert.deepEqual(
      all.filter((node) => {
        const relation = node["Parent Relationship"] ?? "";
        return relation === "SubPlan" || (relation === "InitPlan" && !readsNothing(node));
      }),
      [],
    );
  }));
