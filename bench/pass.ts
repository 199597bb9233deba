import { createPool } from "../src/db/pool.ts";
import { decideDue } from "../src/decide/decide_due.ts";
import { createLogger } from "../src/log.ts";
import { type Options, type Report, type Result, result } from "./report.ts";
import { connect, openBenchServers, settings } from "./support/bench_database.ts";
import { changeClusters } from "./support/changed_clusters.ts";
import { makeFleet } from "./support/fleet.ts";

const runs = 3;
const atATime = 5_000;

type Servers = Awaited<ReturnType<typeof openBenchServers>>;
type Database = Awaited<ReturnType<Servers["createDatabase"]>>;

/**
 * Every one of 65,000 clusters, times `scale`, has just reported: how long it takes until all of them are
 * decided on, for both targets, and what is to be notified is in the outbox. By the code that the worker
 * runs, with one decider and with two.
 */
export async function run({ scale }: Options): Promise<Report> {
  const clusters = Math.max(300, Math.round(65_000 * scale));
  await using servers = await openBenchServers({ kafka: false });
  await using fleet = await servers.createMigrated();
  await using client = await connect(fleet.url);
  const machine = await settings(client);
  await makeFleet(client, clusters, 1_800_000);
  await client.end();

  const results: Result[] = [];
  const ratios: Record<string, number> = {};
  for (const [what, oneMoreHit] of [
    ["a new issue each", true],
    ["nothing new", false],
  ] as const) {
    await using waiting = await servers.createDatabase(fleet);
    await using writer = await connect(waiting.url);
    await reportAll(writer, oneMoreHit);
    await writer.end();
    const name = (deciders: number) => `${clusters} clusters, ${what}, ${deciders} at a time`;
    const one = await passes(servers, waiting, clusters, name(1), 1);
    const two = await passes(servers, waiting, clusters, name(2), 2);
    results.push(two, one);
    ratios[oneMoreHit ? "parallel" : "parallel_nothing_new"] = one.median / two.median;
  }
  return { results, ratios, machine };
}

async function reportAll(client: Awaited<ReturnType<typeof connect>>, oneMoreHit: boolean): Promise<void> {
  const { rows } = await client.query<{ cluster: string }>(
    "select cluster from latest_report order by cluster",
  );
  const all = rows.map(({ cluster }) => cluster);
  for (let first = 0; first < all.length; first += atATime)
    await changeClusters(client, all.slice(first, first + atATime), oneMoreHit);
  await client.query("vacuum (analyze)");
}

async function passes(
  servers: Servers,
  waiting: Database,
  clusters: number,
  name: string,
  deciders: number,
): Promise<Result> {
  const figures: number[] = [];
  for (let run = 0; run < runs; run++) {
    await using database = await servers.createDatabase(waiting);
    const pool = createPool({
      databaseUrl: database.url,
      size: deciders,
      name: "ccx bench",
      searchPath: "public,ccx",
      log: createLogger("warn"),
    });
    try {
      const start = performance.now();
      await decideDue(pool, createLogger("silent"), { deciders });
      figures.push((performance.now() - start) / 1_000);
      const { rows } = await pool.query<{ due: number; reported: number }>(
        `select (select count(*) from decision_due)::integer as due,
           (select count(*) from (
             select distinct org_id, cluster from notification where decided_at > now() - interval '1 hour'
             union
             select org_id, cluster from reported where notified_at > now() - interval '1 hour') c)::integer as reported`,
      );
      // of some clusters every target has been switched off
      if (rows[0]?.due !== 0 || rows[0].reported < 0.9 * clusters)
        throw new Error(`not all are decided on: ${JSON.stringify(rows[0])}`);
    } finally {
      await pool.end();
    }
  }
  return result(name, "s", figures);
}
