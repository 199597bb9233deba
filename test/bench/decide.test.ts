import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { changeClusters, someClusters } from "../../bench/support/changed_clusters.ts";
import { rows, value } from "../support/builders.ts";
import { rolledBack } from "../support/database.ts";
import { fleetDatabase } from "../support/fleets.ts";
import { workOf } from "../support/work.ts";

const small = fleetDatabase(300);
const large = fleetDatabase(3_000);

type Plan = {
  "Node Type": string;
  "Relation Name"?: string;
  "Shared Hit Blocks": number;
  "Shared Read Blocks": number;
  Plans?: Plan[];
};

/** What grows with the fleet. */
const fleetTables = ["issue", "occurrence", "latest_report", "notification", "notified_issue", "reported"];

/** The pages that a query touched, in functions, too, and the fleet's tables that it read from end to end. */
async function work(db: PoolClient, query: string): Promise<{ pages: number; whole: string[] }> {
  const sql = `explain (analyze, buffers, timing off, format json) ${query}`;
  const [{ Plan: plan }] = (await value(db, sql)) as [{ Plan: Plan }];
  const nodes = (node: Plan): Plan[] => [node, ...(node.Plans ?? []).flatMap(nodes)];
  return {
    pages: plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
    whole: nodes(plan)
      .filter((node) => node["Node Type"] === "Seq Scan")
      .map((node) => node["Relation Name"] ?? "")
      .filter((table) => fleetTables.includes(table)),
  };
}

/**
 * Pages for each open issue of these clusters, after one question that does not count; what it read from end
 * to end.
 */
async function pagesPerIssue(
  db: PoolClient,
  clusters: string[],
  ask: (clusters: string[]) => Promise<{ pages: number; whole: string[] }>,
): Promise<{ pages: number; whole: string[] }> {
  const [first, ...others] = clusters;
  await ask([first ?? ""]);
  const { pages, whole } = await ask(others);
  const sql = "select count(*)::integer from issue where cluster = any ($1) and closed_at is null";
  return { pages: pages / Number(await value(db, sql, [others])), whole };
}

async function doesNotGrow(
  ask: (db: PoolClient, clusters: string[]) => Promise<{ pages: number; whole: string[] }>,
): Promise<void> {
  const [few, many] = await Promise.all(
    [small, large].map(({ pool }) =>
      rolledBack(pool, async (db) =>
        pagesPerIssue(db, await someClusters(db, 21, "asked"), (clusters) => ask(db, clusters)),
      ),
    ),
  );
  assert.ok(few && many);
  assert.ok(many.pages < 1.3 * few.pages, `${few.pages} pages for each issue became ${many.pages}`);
  // of small tables that is right
  assert.deepEqual(many.whole, []);
}

test("what the benchmark stores is what triggers would have stored", async () => {
  assert.deepEqual(await rows(large.pool, "select * from drift limit 3"), []);
});

test("what the benchmark notified is what decisions would have notified", async () => {
  const differing = await rows(
    large.pool,
    `with at as (select cooldowns_until as ends from sweep_mark)
     select * from (
       select t.id as target_id, b.issue_id, b.notified_at
       from at, event_targets t cross join lateral backtest_steps(t.id, at.ends - interval '8 days', at.ends) b) replayed
     full join (
       select n.target_id, n.issue_id, n.notified_at
       from at join notified_issue n on n.notified_at >= at.ends - interval '8 days') ledger
       using (target_id, issue_id, notified_at)
     where replayed is null or ledger is null
     limit 3`,
  );
  assert.deepEqual(differing, []);
});

test("what it costs to explain a cluster does not depend on how many others there are", () =>
  doesNotGrow(async (db, clusters) => {
    const all = { pages: 0, whole: [] as string[] };
    for (const cluster of clusters) {
      const { pages, whole } = await work(
        db,
        `select * from explain_notification where cluster = '${cluster}'`,
      );
      all.pages += pages;
      all.whole.push(...whole);
    }
    return all;
  }));

test("what it costs to decide for some clusters does not depend on how many others there are", () =>
  doesNotGrow(async (db, clusters) => {
    await changeClusters(db, clusters, true);
    return work(db, `select * from decide_due(${clusters.length})`);
  }));

// by other plans in a fleet of 300, where tables are a few pages; from 3,000 to 65,000 clusters it is 1.2 times
test("what it costs to try a policy of one organization hardly depends on how many others there are", async () => {
  const tried = "select * from ccx.diff_by_rule('service log', 21, null)";
  const [few, many] = await Promise.all(
    [small, large].map(({ pool }) =>
      rolledBack(pool, async (db) => {
        await db.query(
          `select set_policy('service log', '{"cooldown": "3 days"}', 'for the test', org_id => 21)`,
        );
        assert.notDeepEqual(await rows(db, tried), []);
        return work(db, tried);
      }),
    ),
  );
  assert.ok(few && many);
  assert.ok(many.pages < 2 * few.pages, `${few.pages} pages became ${many.pages}`);
  assert.deepEqual(many.whole, []);
});

test("what it costs to notify of an issue is no more than it was", (t) =>
  rolledBack(large.pool, async (db) => {
    const clusters = await someClusters(db, 600, "notified");
    await changeClusters(db, clusters, true);
    // decided after the reports came in
    const at = String(await value(db, "select clock_timestamp()::text"));
    await db.query(
      `create temp table chosen on commit drop as
       select d.cluster = any ($3) as is_first, count(*)::integer as issues,
         array_agg((d.target_id, d.org_id, d.cluster, d.issue_id, d.occurrence, d.content_id, d.policy_id,
           d.last_seen, d.total_risk, d.issue_state = 'resolved', d.component)::issue_to_notify) as entries
       from decide(null, $1, $2) d
       where d.decision = 'notify'
       group by 1`,
      [at, clusters, clusters.slice(0, 300)],
    );
    const notify = (isFirst: boolean) =>
      workOf(
        db,
        `select q.*, count_notified(c.entries, '${at}')
         from chosen c cross join lateral queue_notifications(c.entries, '${at}') q
         where c.is_first = ${isFirst}`,
      );
    await notify(true); // fills the caches
    const { pages, written, scanned } = await notify(false);
    assert.deepEqual(
      Object.keys(scanned).filter((table) => fleetTables.includes(table)),
      [],
    );
    const issues = Number(await value(db, "select issues from chosen where not is_first"));
    assert.ok(issues >= 300, `${issues} issues`);
    const each = { pages: pages / issues, written: written / issues };
    t.diagnostic(`${each.pages} pages, ${each.written} records of the log`);
    // 13.1 and 50: one index more is one record more, two foreign keys are eleven pages more
    assert.ok(each.written < 13.7, `${each.written} records of the log`);
    assert.ok(each.pages < 53, `${each.pages} pages`);
  }));
