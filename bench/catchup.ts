import { createTopics } from "../dev/embedded.ts";
import type { LogLine } from "../test/support/service.ts";
import { type Options, type Report, result } from "./report.ts";
import { connect, openBenchServers, settings } from "./support/bench_database.ts";
import { secondsOf, startProcess } from "./support/processes.ts";
import { addResults, type Round, storeRound } from "./support/results.ts";
import { produceRound } from "./support/results_topic.ts";

const bytes = 2_000;
const partitions = 4;
const rounds = 4;
/** How much of the backlog comes in while it is worked off. */
const meanwhile = 1;

/**
 * After an outage: 500,000 results, times `scale`, wait on four partitions, and a quarter as many come in
 * while `ccx consume` works them off. Says how fast it is at first and at last, and what memory it takes
 * meanwhile.
 */
export async function run({ scale }: Options): Promise<Report> {
  const clusters = Math.max(500, Math.round((500_000 * scale) / rounds));
  await using servers = await openBenchServers({ kafka: true });
  await using database = await servers.createMigrated();
  await using client = await connect(database.url);
  const machine = await settings(client);
  await addResults(client);
  await storeRound(client, { clusters, round: -rounds - meanwhile, bytes });

  const topic = `ccx.bench.catchup.${process.pid}`;
  const group = `${topic}.group`;
  const topics = await createTopics(servers.brokers, [topic], partitions);
  const produce = (round: Round, atATime?: number) =>
    produceRound(servers.brokers, client, { topic, partitions, round, atATime });
  try {
    let backlog = 0;
    for (let n = 0; n < rounds; n++)
      backlog += await produce({ clusters, round: n - rounds - meanwhile + 1, bytes });
    await using consumer = startProcess("consume", {
      DATABASE_URL: database.url,
      KAFKA_BROKERS: servers.brokers,
      CCX_RESULTS_TOPIC: topic,
      CCX_CONSUMER_GROUP: group,
    });
    const stored = ({ stored }: LogLine) => Number(stored);
    const upTo = (count: number) => consumer.counted("ingested", stored, count, 300_000 + count * 5);
    const early = await upTo(backlog / 4);
    const earlyMemory = await consumer.service.memory();
    const incoming = produce({ clusters, round: 0, bytes }, 200);
    await upTo(backlog);
    const total = backlog + (await incoming);
    const lines = await upTo(total);
    const lateMemory = await consumer.service.memory();
    const peak = await consumer.service.peakMemory();
    await consumer.service.stop();
    const rate = (some: LogLine[]) => some.reduce((sum, line) => sum + stored(line), 0) / secondsOf(some);
    const first = rate(early);
    const all = rate(lines);
    const mebibytes = (size: number) => size / 1024 / 1024;
    return {
      results: [
        result(`the first quarter of ${backlog} results`, "reports/s", [first]),
        result(`all of it, while ${total - backlog} more come in`, "reports/s", [all]),
        result("until nothing waits", "s", [secondsOf(lines)]),
        result("memory after a quarter", "MiB", [mebibytes(earlyMemory)]),
        result("memory at the end", "MiB", [mebibytes(lateMemory)]),
        result("peak memory", "MiB", [mebibytes(peak)]),
      ],
      ratios: { vs_first_quarter: all / first, memory_growth: lateMemory / earlyMemory },
      machine,
    };
  } finally {
    await topics.drop([group]);
  }
}
