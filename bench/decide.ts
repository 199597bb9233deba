import type pg from "pg";
import { type Options, type Report, type Result, result, timed } from "./report.ts";
import { connect, openBenchServers, settings } from "./support/bench_database.ts";
import { changeClusters, rolledBack, someClusters } from "./support/changed_clusters.ts";
import { fleetSize } from "./support/fleet.ts";
import { openFleet } from "./support/kept_fleet.ts";

const runs = 5;
const asked = 200;

/**
 * What decisions, explanations and what-if cost against a fleet of 65,000 clusters with 1 to 5 open issues
 * each and 1,000,000 ledger rows, and what the same decisions cost against 1,000,000 clusters and 15,000,000
 * ledger rows, all times `scale`; of clusters that nobody asked about before, and once what they need is in
 * memory. Give the server memory as one would: CCX_STACK_SETTINGS="shared_buffers=6GB".
 */
export async function run({ scale }: Options): Promise<Report> {
  await using servers = await openBenchServers({ kafka: false });
  const clusters = Math.max(100, Math.round(65_000 * scale));
  const many = Math.max(1_000, Math.round(1_000_000 * scale));
  await using fleet = await openFleet(servers, clusters);
  await using client = await connect(fleet.url);
  // other clusters each time: a fleet that was kept has in memory what was asked for before
  const seed = Date.now();
  const machine = { ...(await settings(client)), seed };
  const timeoutMs = 300_000 * Math.max(1, scale);
  const size = await fleetSize(client);
  // nothing runs for ever
  await client.query(`set statement_timeout = ${timeoutMs}`);

  const sizes = Object.entries(size).map(([name, count]) => result(`fleet: ${name}`, "rows", [count]));
  const batch = Math.min(1_000, Math.ceil(clusters / 10));
  const [changed, held] = await both(client, batch, seed);
  const bare = await decisions(client, batch, "decide() alone", seed);
  const one = await explainOne(client);
  const count = await question(client, "explain the fleet, all columns", [
    "with answer as materialized (select * from explain_notification) select count(*) from answer",
  ]);
  const grouped = "select decision, reasons, count(*) from explain_notification group by decision, reasons";
  const summary = await question(client, "explain the fleet, by decision and reasons", [grouped]);
  const roomy = await question(client, "the same with work_mem = 64 MB", [
    "set local work_mem = '64MB'",
    grouped,
  ]);
  const diff = await question(client, "explain_diff of a cooldown of 3 days, the fleet", [
    `select set_policy('notifications backend', '{"cooldown": "3 days"}', 'for the benchmark')`,
    "with difference as materialized (select * from explain_diff) select count(*) from difference",
  ]);
  const backtest = (policy: string) => [
    `select * from backtest('notifications backend', now() - interval '8 days', now(), ${policy})`,
  ];
  const real = await question(client, "backtest of 8 days, the real policy", backtest("null"), 1);
  const changedPolicy = await question(
    client,
    "backtest of 8 days, a cooldown of 3 days",
    backtest(`'{"cooldown": "3 days"}'`),
    1,
  );
  await using large = await openFleet(servers, many);
  await using other = await connect(large.url);
  const largeSize = Object.entries(await fleetSize(other)).map(([name, count]) =>
    result(`large fleet: ${name}`, "rows", [count]),
  );
  const also = (what: string) => (one: Result) => ({ ...one, case: `${one.case}, ${what}` });
  const inLarge = also("large fleet");
  const [largeChanged, largeHeld] = (await both(other, batch, seed)).map(inLarge) as Both;
  const largeOne = (await explainOne(other)).map(inLarge);
  await readIntoMemory(client);
  const warm = (await both(client, batch, seed + 1)).map(also("in memory")) as Both;
  await readIntoMemory(other);
  const largeWarm = (await both(other, batch, seed + 1)).map(also("large fleet, in memory")) as Both;
  return {
    results: [
      ...[...sizes, changed, held, bare, ...one, count, summary, roomy, diff, real, changedPolicy],
      ...[...largeSize, largeChanged, largeHeld, ...largeOne, ...warm, ...largeWarm],
    ],
    ratios: {
      growth: largeChanged.median / changed.median,
      growth_nothing_new: largeHeld.median / held.median,
      growth_in_memory: largeWarm[0].median / warm[0].median,
      growth_in_memory_nothing_new: largeWarm[1].median / warm[1].median,
      decide_due_to_decide: changed.median / bare.median,
      explain_diff_to_explain: diff.median / count.median,
      backtest_changed_to_real: changedPolicy.median / real.median,
      explained_per_second: (2 * size.issues) / (count.median / 1_000),
    },
    machine,
  };
}

type Both = [changed: Result, held: Result];

async function both(client: pg.Client, batch: number, seed: number): Promise<Both> {
  return [
    await decisions(client, batch, "a new issue each", seed),
    await decisions(client, batch, "nothing new", seed),
  ];
}

/**
 * As it is where every cluster has reported within two hours: what decisions read and write is in the
 * system's cache, as far as it fits. Not the days of `reported` that are over.
 */
async function readIntoMemory(client: pg.Client): Promise<void> {
  await client.query("create extension if not exists pg_prewarm");
  await client.query(
    `select pg_prewarm(c.oid, 'read')
     from pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'i')
       and c.relname !~ '^reported_\\d{8}' and pg_relation_size(c.oid) > 0
     order by pg_relation_size(c.oid)`,
  );
}

/** A decision for so many clusters and all targets, other clusters each time, rolled back. */
async function decisions(
  client: pg.Client,
  batch: number,
  what: "a new issue each" | "nothing new" | "decide() alone",
  seed: number,
): Promise<Result> {
  const figures: number[] = [];
  for (let run = 0; run <= runs; run++)
    await rolledBack(client, async () => {
      const clusters = await someClusters(client, batch, `${what} ${run} ${seed}`);
      await changeClusters(client, clusters, what === "a new issue each");
      // decided after the reports came in; a constant, as in decide_due(), without which decide() is not
      // taken apart
      const { rows: now } = await client.query("select clock_timestamp()::text as at");
      const start = performance.now();
      if (what === "decide() alone")
        await client.query("select count(d) from decide(null, $2, $1) d", [clusters, now[0].at]);
      else {
        const { rows } = await client.query<{ clusters: number }>("select * from decide_due($1)", [batch]);
        if (rows[0]?.clusters !== batch) throw new Error(`decided for ${rows[0]?.clusters} of ${batch}`);
      }
      if (run > 0) figures.push(performance.now() - start);
    });
  const name = what === "decide() alone" ? "decide()" : `decide_due(), ${what}`;
  return result(`${name}: ${batch} changed clusters, both targets`, "ms", figures);
}

/** As a person asks, one cluster after the other; half and 99 of 100 answers came within these times. */
async function explainOne(client: pg.Client): Promise<Result[]> {
  const p50: number[] = [];
  const p99: number[] = [];
  for (let run = 0; run <= runs; run++) {
    const figures: number[] = [];
    for (const cluster of await someClusters(client, asked, `asked ${run}`)) {
      const start = performance.now();
      await client.query(`select * from explain_notification where cluster = '${cluster}'`);
      figures.push(performance.now() - start);
    }
    figures.sort((a, b) => a - b);
    if (run === 0) continue;
    p50.push(figures[Math.ceil(figures.length * 0.5) - 1] ?? Number.NaN);
    p99.push(figures[Math.ceil(figures.length * 0.99) - 1] ?? Number.NaN);
  }
  return [result("explain one cluster, p50", "ms", p50), result("explain one cluster, p99", "ms", p99)];
}

/** Statements in a transaction that is rolled back; all of them count, and the first time does not. */
function question(client: pg.Client, name: string, statements: string[], runs = 3): Promise<Result> {
  return timed(name, runs, () =>
    rolledBack(client, async () => {
      for (const statement of statements) await client.query(statement);
    }),
  );
}
