import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { Pool } from "undici";
import { createPool } from "../src/db/pool.ts";
import { startServer } from "../src/http/server.ts";
import { createLogger } from "../src/log.ts";
import { networksOf } from "../src/results/identity.ts";
import { resultsRooms } from "../src/results/rooms.ts";
import { type Options, type Report, type Result, result } from "./report.ts";
import { connect, openBenchServers, settings } from "./support/bench_database.ts";
import { openFleet } from "./support/kept_fleet.ts";

const perSecond = 500;
/** At the scale of 0.1 and more. */
const mostSeconds = 20;
const runs = 20;

type Who = { org: string; cluster: string };

/**
 * The results API over a fleet of 1,000,000 clusters, times `scale`: single reports at 500 requests a second over
 * HTTP, then the large answers. Beside it, what the aggregator asks its own tables for the same, with the same
 * data in the same database. The client is in the same process as the server.
 */
export async function run({ scale }: Options): Promise<Report> {
  const clusters = Math.max(300, Math.round(1_000_000 * scale));
  await using servers = await openBenchServers({ kafka: false });
  await using fleet = await openFleet(servers, clusters);
  await using client = await connect(fleet.url);
  const machine = { ...(await settings(client)), clusters };
  await client.query(`begin; ${await aggregatorSql()}; commit`);
  await client.query("vacuum (analyze)");

  const log = createLogger("warn");
  const pool = createPool({ databaseUrl: fleet.url, size: 8, name: "ccx bench results", log });
  const canceller = createPool({ databaseUrl: fleet.url, size: 1, name: "ccx bench results", log });
  const options = { pool, canceller, log, timeoutMs: 60_000, internalOrganizations: new Set<string>() };
  const rooms = resultsRooms({ ...options, trustedPeers: networksOf(["127.0.0.1"]) });
  const server = await startServer({ host: "127.0.0.1", port: 0, routes: {}, rooms }, log);
  const http = new Pool(`http://127.0.0.1:${server.port}`, { connections: 16 });
  const ask = async (path: string, org: string) => {
    const identity = Buffer.from(JSON.stringify({ identity: { org_id: org } })).toString("base64");
    const answer = await http.request({ method: "GET", path, headers: { "x-rh-identity": identity } });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.statusCode} ${text}`);
  };
  try {
    const some = await someOf(client, 2_000);
    const report = (nth: number) => {
      const { org, cluster } = some[nth % some.length] as Who;
      return ask(`/api/v2/cluster/${cluster}/reports`, org);
    };
    for (let nth = 0; nth < 300; nth++) await report(nth);
    const steady = await atRate(report, Math.max(2, Math.min(1, 10 * scale) * mostSeconds));
    const large = await largest(client);
    const rule = `/api/v2/rule/${encodeURIComponent(large.rule)}/clusters_detail`;
    const results: Result[] = [
      result("one report over HTTP, half within", "ms", [quantile(steady, 0.5)]),
      result("one report over HTTP, 99 % within", "ms", [quantile(steady, 0.99)]),
      await timed(`clusters of an organization (${large.clusters})`, () =>
        ask("/api/v2/clusters", large.org),
      ),
      await timed(`clusters of a rule (${large.hit})`, () => ask(rule, large.org)),
    ];
    const [module = "", key = ""] = large.rule.split("|");
    let nth = 0;
    const next = () => some[nth++ % some.length] as Who;
    const pairs: [name: string, ours: () => Promise<unknown>, theirs: () => Promise<unknown>][] = [
      [
        "one report",
        () => {
          const { org, cluster } = next();
          return client.query({
            name: "ours",
            text: "select ccx.aggregator_report($1, 'u', $2)",
            values: [org, cluster],
          });
        },
        () => theirReport(client, next()),
      ],
      [
        "clusters of a rule",
        () => client.query("select ccx.aggregator_rule_clusters($1, $2, $3)", [large.org, module, key]),
        // ours is the text of the answer, so theirs is made one
        async () => {
          const { rows } = await client.query(
            `select r.cluster_id, p.reported_at, r.impacted_since, i.version_info
             from aggregator_bench.recommendation r
             join aggregator_bench.report_of p on p.cluster = r.cluster_id
             left join aggregator_bench.report_info i on i.cluster_id = r.cluster_id
             where r.org_id = $1 and r.rule_fqdn = $2 and r.error_key = $3`,
            [large.org, module, key],
          );
          return JSON.stringify(rows);
        },
      ],
    ];
    const ratios: Record<string, number> = {};
    for (const [name, ours, theirs] of pairs) {
      const times = name === "one report" ? 20 * runs : runs;
      const us = await timed(`${name}, our SQL`, ours, times);
      const them = await timed(`${name}, the aggregator's SQL`, theirs, times);
      results.push(us, them);
      ratios[`${name.replaceAll(" ", "_")}_vs_aggregator`] = us.median / them.median;
    }
    return { results, ratios, machine };
  } finally {
    await http.close();
    await server.close();
    await Promise.all([pool.end(), canceller.end()]);
  }
}

const aggregatorSql = () => readFile(new URL("support/aggregator.sql", import.meta.url), "utf8");

/** The four questions of the aggregator for one report, on one connection. */
async function theirReport(client: pg.Client, { org, cluster }: Who): Promise<void> {
  const ask = (name: string, text: string) => client.query({ name, text, values: [org, cluster] });
  await ask(
    "report",
    `select template_data, rule_fqdn, error_key, created_at from aggregator_bench.rule_hit
     where org_id = $1 and cluster_id = $2`,
  );
  await ask(
    "times",
    `select last_checked_at, reported_at, gathered_at from aggregator_bench.report_of
     where org_id = $1 and cluster = $2`,
  );
  await ask(
    "toggles",
    `select rule_id, error_key, disabled, disabled_at from cluster_rule_toggle
     where org_id = $1::text and cluster_id = $2`,
  );
  await ask(
    "votes",
    `select rule_id, error_key, user_vote, message from cluster_rule_user_feedback
     where org_id = $1 and cluster_id = $2`,
  );
}

/** Clusters from everywhere in the fleet. */
async function someOf(client: pg.Client, count: number): Promise<Who[]> {
  const { rows } = await client.query(
    `select l.org_id::text as org, l.cluster from latest_report l
     where l.left_at is null order by hashtext(l.cluster) limit $1`,
    [count],
  );
  return rows;
}

/** The organization with the most clusters, and the rule that hits most of them. */
async function largest(
  client: pg.Client,
): Promise<{ org: string; clusters: string; rule: string; hit: string }> {
  const { rows } = await client.query(
    `with org as (
       select l.org_id, count(*) as clusters from latest_report l group by l.org_id order by 2 desc limit 1
     )
     select o.org_id::text as org, o.clusters::text, count(*)::text as hit,
       ccx.rule_module(r.component) || '|' || r.error_key as rule
     from org o
     join issue i on i.org_id = o.org_id and i.closed_at is null
     join rule r on r.id = i.rule_id
     group by o.org_id, o.clusters, r.component, r.error_key
     order by count(*) desc limit 1`,
  );
  return rows[0];
}

/** How long each request took that was sent at a steady rate, whatever became of those before it. */
async function atRate(send: (nth: number) => Promise<void>, seconds: number): Promise<number[]> {
  const took: number[] = [];
  const under: Promise<void>[] = [];
  const began = performance.now();
  for (let nth = 0; nth < perSecond * seconds; nth++) {
    const due = began + (nth * 1_000) / perSecond;
    while (performance.now() < due) await sleep(Math.max(0, due - performance.now()));
    under.push(
      send(nth).then(() => {
        took.push(performance.now() - due);
      }),
    );
  }
  await Promise.all(under);
  return took;
}

const quantile = (figures: number[], share: number): number =>
  figures.toSorted((a, b) => a - b)[Math.floor(figures.length * share)] ?? Number.NaN;

async function timed(name: string, work: () => Promise<unknown>, times = runs): Promise<Result> {
  const figures: number[] = [];
  // the first ones fill the caches, and let the plans settle
  for (let nth = -10; nth < times; nth++) {
    const began = performance.now();
    await work();
    if (nth >= 0) figures.push(performance.now() - began);
  }
  return result(name, "ms", figures);
}
