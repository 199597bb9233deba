import type pg from "pg";
import { createTopics } from "../dev/embedded.ts";
import type { LogLine } from "../test/support/service.ts";
import { type Options, type Report, type Result, result } from "./report.ts";
import { connect, openBenchServers, settings } from "./support/bench_database.ts";
import { copyIn, copyText } from "./support/copy_in.ts";
import { secondsOf, startProcess } from "./support/processes.ts";
import { addResults, type Round, storeRound } from "./support/results.ts";
import { produceRound } from "./support/results_topic.ts";

const runs = 3;
const rounds = 4;
const sizes = { "2 KB": 2_000, "11 KB": 11_000 };
/** As many rows as one call of ingest() takes. */
const batch = 1_000;

type Servers = Awaited<ReturnType<typeof openBenchServers>>;
type Database = Awaited<ReturnType<Servers["createDatabase"]>>;
type Fleet = { servers: Servers; template: Database; clusters: number; bytes: number };

/**
 * Kafka → committed rows: 200,000 results times `scale`, the next four of a fleet whose issues are known;
 * `ccx consume` reads them from a topic that has them already. Beside it, the rows that this stores go into
 * the same tables by plain COPY and by transactions of one row each.
 */
export async function run({ scale }: Options): Promise<Report> {
  const clusters = Math.max(100, Math.round((200_000 * scale) / rounds));
  const results: Result[] = [];
  const ratios: Record<string, number> = {};
  let machine = {};
  await using servers = await openBenchServers({ kafka: true });
  for (const [size, bytes] of Object.entries(sizes)) {
    await using template = await servers.createMigrated();
    await using client = await connect(template.url);
    machine = await settings(client);
    await addResults(client);
    await storeRound(client, { clusters, round: -rounds, bytes });
    await client.end();

    const fleet = { servers, template, clusters, bytes };
    const one = await consumed(fleet, 1, size);
    const four = await consumed(fleet, 4, size);
    const copied = await perSecond(`${size}, COPY into new_reports, issues by trigger`, fleet, copy);
    const bare = await perSecond(`${size}, COPY into new_reports alone`, fleet, copyAlone);
    const single = await perSecond(`${size}, transactions of one row`, fleet, oneByOne);
    results.push(one, four, copied, bare, single);
    const name = size === "2 KB" ? "" : `_${size.replace(" ", "_").toLowerCase()}`;
    ratios[`vs_copy${name}`] = one.median / copied.median;
    ratios[`vs_copy_alone${name}`] = one.median / bare.median;
    ratios[`vs_single_row${name}`] = one.median / single.median;
  }
  return { results, ratios, machine };
}

/** How fast a consumer of its own, on a database of its own, stores what a topic has. */
async function consumed(fleet: Fleet, partitions: number, size: string): Promise<Result> {
  const { servers, template } = fleet;
  const topic = `ccx.bench.ingest.${process.pid}.${fleet.bytes}.${partitions}`;
  const group = (run: number) => `${topic}.${run}`;
  const topics = await createTopics(servers.brokers, [topic], partitions);
  const figures: number[] = [];
  try {
    const messages = await produce(fleet, topic, partitions);
    for (let run = 0; run < runs; run++) {
      await using database = await servers.createDatabase(template);
      await using consumer = startProcess("consume", {
        DATABASE_URL: database.url,
        KAFKA_BROKERS: servers.brokers,
        CCX_RESULTS_TOPIC: topic,
        CCX_CONSUMER_GROUP: group(run),
        CCX_BATCH_SIZE: String(batch),
      });
      const stored = ({ stored }: LogLine) => Number(stored);
      const lines = await consumer.counted("ingested", stored, messages, 120_000 + messages * 5);
      // what joining the group takes does not count
      figures.push(messages / secondsOf(lines));
      await consumer.service.stop();
    }
  } finally {
    await topics.drop(Array.from({ length: runs }, (_, run) => group(run)));
  }
  return result(`${size}, ${partitions} partition${partitions > 1 ? "s" : ""}`, "reports/s", figures);
}

/** Puts the rounds after the stored one on a topic; returns how many messages that are. */
async function produce(fleet: Fleet, topic: string, partitions: number): Promise<number> {
  await using database = await fleet.servers.createDatabase(fleet.template);
  await using client = await connect(database.url);
  let count = 0;
  for (const round of allRounds(fleet))
    count += await produceRound(fleet.servers.brokers, client, { topic, partitions, round });
  await client.end();
  return count;
}

const allRounds = ({ clusters, bytes }: Fleet): Round[] =>
  Array.from({ length: rounds }, (_, n) => ({ clusters, round: n + 1 - rounds, bytes }));

/** How fast `store` stores rows: it takes some at a time and returns the milliseconds that count. */
async function perSecond(
  name: string,
  fleet: Fleet,
  store: (client: pg.Client, fleet: Fleet) => Promise<{ rows: number; ms: number }>,
): Promise<Result> {
  const figures: number[] = [];
  for (let run = 0; run < runs; run++) {
    await using database = await fleet.servers.createDatabase(fleet.template);
    await using client = await connect(database.url);
    for (const { round } of allRounds(fleet))
      await client.query(
        `select ensure_partition('new_reports', day)
         from (select distinct (bench.reported_at(n, $2) at time zone 'UTC')::date as day
               from generate_series(1, $1) n) days`,
        [fleet.clusters, round],
      );
    const { rows, ms } = await store(client, fleet);
    figures.push((1_000 * rows) / ms);
    await client.end();
  }
  return result(name, "reports/s", figures);
}

const columns = ["org_id", "account_number", "cluster", "report", "updated_at"] as const;
type Row = Record<(typeof columns)[number], string>;

/** The rows that ingest() would store. */
async function* storedRows(client: pg.Client, { clusters, round, bytes }: Round): AsyncGenerator<Row[]> {
  for (let first = 1; first <= clusters; first += batch)
    yield (
      await client.query<Row>(
        `select bench.org(n)::text as org_id, (500000 + n / 3)::text as account_number, bench.cluster(n) as cluster,
           jsonb_build_object('reports', bench.hits(n, $3, $4 / 2))::text as report,
           bench.reported_at(n, $3)::text as updated_at
         from generate_series($1::integer, $2::integer) n`,
        [first, Math.min(clusters, first + batch - 1), round, bytes],
      )
    ).rows;
}

async function copy(client: pg.Client, fleet: Fleet): Promise<{ rows: number; ms: number }> {
  const statement = `copy new_reports (${columns.join(", ")}) from stdin`;
  const total = { rows: 0, ms: 0 };
  for (const round of allRounds(fleet))
    for await (const rows of storedRows(client, round)) {
      const lines = rows.map((row) => `${columns.map((column) => copyText(row[column])).join("\t")}\n`);
      const bytes = Buffer.from(lines.join(""));
      const start = performance.now();
      await copyIn(client, statement, bytes);
      total.ms += performance.now() - start;
      total.rows += rows.length;
    }
  return total;
}

/**
 * Without the trigger that keeps issues: not what anybody could run, but the least that storing rows costs.
 */
async function copyAlone(client: pg.Client, fleet: Fleet): Promise<{ rows: number; ms: number }> {
  await client.query("set session_replication_role = replica");
  return copy(client, fleet);
}

/**
 * As the incumbent stores: a statement and a commit for each row. A fiftieth of the rows is enough to know
 * its rate.
 */
async function oneByOne(client: pg.Client, fleet: Fleet): Promise<{ rows: number; ms: number }> {
  const text = `insert into new_reports (${columns.join(", ")}) values ($1, $2, $3, $4, $5)`;
  const total = { rows: 0, ms: 0 };
  const enough = Math.max(200, (fleet.clusters * rounds) / 50);
  for (const round of allRounds(fleet))
    for await (const rows of storedRows(client, round)) {
      if (total.rows >= enough) return total;
      const start = performance.now();
      for (const row of rows)
        await client.query({ name: "one row", text, values: columns.map((column) => row[column]) });
      total.ms += performance.now() - start;
      total.rows += rows.length;
    }
  return total;
}
