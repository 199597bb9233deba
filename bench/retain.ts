import type pg from "pg";
import { createPool } from "../src/db/pool.ts";
import { ingestBatch } from "../src/ingest/ingest_batch.ts";
import { createLogger } from "../src/log.ts";
import { retain } from "../src/retain/retain.ts";
import { type Options, type Report, result } from "./report.ts";
import { connect, openBenchServers, settings } from "./support/bench_database.ts";
import { portions } from "./support/entries.ts";
import { addResults, messagesOf, storeRound } from "./support/results.ts";

const runs = 3;
const clusters = 5_000;
const bytes = 2_000;
const batch = 1_000;
/** Batches before the day is dropped, to compare with. */
const before = 30;

/**
 * How long it takes to drop a day of 10,000,000 rows, times `scale`, and how long ingest has to wait for it.
 */
export async function run({ scale }: Options): Promise<Report> {
  const rows = Math.max(1_000, Math.round(10_000_000 * scale));
  await using servers = await openBenchServers({ kafka: false });
  await using database = await servers.createMigrated();
  await using client = await connect(database.url);
  const machine = await settings(client);
  await addResults(client);
  await storeRound(client, { clusters, round: -80, bytes });
  const pool = createPool({
    databaseUrl: database.url,
    size: 2,
    name: "ccx bench",
    searchPath: "public,ccx",
    log: createLogger("warn"),
  });
  const figures = { drop: [] as number[], quiet: [] as number[], busy: [] as number[] };
  try {
    const load = batches(client);
    for (let run = 0; run < runs; run++) {
      await fillDay(client, rows);
      const quiet: number[] = [];
      for (let n = 0; n < before; n++) quiet.push(await next(pool, load));
      const busy: number[] = [];
      const start = performance.now();
      let done = false;
      const dropping = retain(pool, createLogger("silent")).finally(() => {
        done = true;
      });
      while (!done) busy.push(await next(pool, load));
      const steps = await dropping;
      figures.drop.push((performance.now() - start - (busy.at(-1) ?? 0)) / 1_000);
      if (steps.filter(({ action }) => action === "dropped").length !== 1)
        throw new Error(`not one day was dropped: ${JSON.stringify(steps)}`);
      figures.quiet.push(Math.max(...quiet));
      figures.busy.push(Math.max(...busy));
    }
  } finally {
    await pool.end();
  }
  const [drop, quiet, busy] = [
    result(`drop a day of ${rows} rows`, "s", figures.drop),
    result("longest of 30 ingest batches before", "ms", figures.quiet),
    result("longest ingest batch meanwhile", "ms", figures.busy),
  ];
  return { results: [drop, quiet, busy], ratios: { batch: busy.median / quiet.median }, machine };
}

/** Ten days ago had so many reports, which were decided long since. */
async function fillDay(client: pg.ClientBase, rows: number): Promise<void> {
  const day = "(now() at time zone 'UTC')::date - 10";
  await client.query(`select ensure_partition('new_reports', ${day})`);
  await client.query("set session_replication_role = replica");
  await client.query(
    `insert into new_reports (org_id, cluster, report, updated_at)
     select n, md5(n::text)::uuid::text, '{"reports": []}', (${day})::timestamp at time zone 'UTC' + n * interval '8 milliseconds'
     from generate_series(1, $1::integer) n`,
    [rows],
  );
  await client.query("reset session_replication_role");
  await client.query("vacuum (analyze) new_reports");
}

type Load = AsyncGenerator<{ values: string[]; offset: number }>;

/** Round after round of the fleet's reports. */
async function* batches(client: pg.ClientBase): Load {
  let offset = 0;
  for (let round = -79; round < 0; round++)
    for await (const values of messagesOf(client, { clusters, round, bytes }, batch)) {
      yield { values, offset };
      offset += batch;
    }
}

/** Stores the next batch, as the consumer does; how many milliseconds that took. */
async function next(pool: pg.Pool, load: Load): Promise<number> {
  const { value } = await load.next();
  if (!value) throw new Error("there are too few reports for that many batches");
  const [entries = []] = portions(value.values, value.offset, batch);
  const start = performance.now();
  await ingestBatch(pool, { topic: "bench", partition: 0, highWatermark: String(1e9) }, entries);
  return performance.now() - start;
}
