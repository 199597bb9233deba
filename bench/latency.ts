import { setTimeout as sleep } from "node:timers/promises";
import kafkajs from "kafkajs";
import { createTopics } from "../dev/embedded.ts";
import { until } from "../test/support/until.ts";
import { type Options, type Report, type Result, result } from "./report.ts";
import { connect, openBenchServers, settings } from "./support/bench_database.ts";
import { makeFleet } from "./support/fleet.ts";
import { type NotifiedResults, notifiedResults } from "./support/notified_results.ts";
import { startProcess } from "./support/processes.ts";

const rates = [10, 100, 1_000];
const runs = 3;
/** Messages go out this often, as many as the rate wants. */
const tickMs = 10;

/**
 * How long it takes from a result on the one topic to its notification on the other, through one `ccx run`:
 * 20 seconds, times `scale`, at each rate. Every result is of a new cluster and leads to a notification; a
 * fleet of 10,000 clusters, times `scale`, is there already.
 */
export async function run({ scale }: Options): Promise<Report> {
  await using servers = await openBenchServers({ kafka: true });
  await using database = await servers.createMigrated();
  await using client = await connect(database.url);
  const machine = await settings(client);
  await makeFleet(client, Math.max(300, Math.round(10_000 * scale)), 1_800_000);
  const results = await notifiedResults(client);

  const [from, to] = [
    `ccx.bench.latency.${process.pid}.results`,
    `ccx.bench.latency.${process.pid}.notified`,
  ];
  const topics = await createTopics(servers.brokers, [from, to]);
  const group = `${from}.group`;
  try {
    await using service = startProcess("run", {
      DATABASE_URL: database.url,
      KAFKA_BROKERS: servers.brokers,
      CCX_RESULTS_TOPIC: from,
      CCX_NOTIFICATIONS_TOPIC: to,
      CCX_CONSUMER_GROUP: group,
    });
    await service.service.says("running");
    await using ends = await openEnds(servers.brokers, from, to);
    const seconds = Math.max(3, 20 * scale);
    // what a first message starts does not count: the process's code, plans, the consumers' groups
    await latencies(ends, results, 10, 2);
    const cases: Result[] = [];
    for (const rate of rates) cases.push(...(await atRate(ends, results, rate, seconds)));
    await service.service.stop();
    const p50 = cases.filter(({ case: name }) => name.endsWith("p50"));
    const [slow, , fast] = p50;
    return { results: cases, ratios: slow && fast ? { p50_growth: fast.median / slow.median } : {}, machine };
  } finally {
    await topics.drop([group]);
  }
}

type Ends = Awaited<ReturnType<typeof openEnds>>;

/** A producer of the one topic and a consumer of the other, which notes when each cluster was notified. */
async function openEnds(brokers: string, from: string, to: string) {
  const kafka = new kafkajs.Kafka({ brokers: brokers.split(","), logLevel: kafkajs.logLevel.NOTHING });
  const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  const groupId = `${to}.group`;
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 5_000, minBytes: 1 });
  const notified = new Map<string, number>();
  const joined = new Promise((resolve) => consumer.on("consumer.group_join", resolve));
  await Promise.all([producer.connect(), consumer.connect()]);
  await consumer.subscribe({ topic: to, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      const now = performance.now();
      for (const { key } of batch.messages) notified.set(String(key), now);
    },
  });
  await joined;
  return {
    notified,
    produce: (values: string[]) =>
      producer.send({ topic: from, messages: values.map((value) => ({ value, partition: 0 })) }),
    async [Symbol.asyncDispose]() {
      await Promise.all([producer.disconnect(), consumer.disconnect()]);
      const admin = kafka.admin();
      await admin.connect();
      await admin.deleteGroups([groupId]).catch(() => undefined);
      await admin.disconnect();
    },
  };
}

async function atRate(
  ends: Ends,
  results: NotifiedResults,
  rate: number,
  seconds: number,
): Promise<Result[]> {
  const p50: number[] = [];
  const p99: number[] = [];
  for (let run = 0; run < runs; run++) {
    const figures = (await latencies(ends, results, rate, seconds)).sort((a, b) => a - b);
    const quantile = (share: number) => figures[Math.ceil(figures.length * share) - 1] ?? Number.NaN;
    p50.push(quantile(0.5));
    p99.push(quantile(0.99));
  }
  const name = `${rate.toLocaleString("en")} messages/s`;
  return [result(`${name}, p50`, "ms", p50), result(`${name}, p99`, "ms", p99)];
}

/**
 * The milliseconds that each message took. A message's time begins when it was due, also when we were late to
 * send it.
 */
async function latencies(
  ends: Ends,
  results: NotifiedResults,
  rate: number,
  seconds: number,
): Promise<number[]> {
  const due = new Map<string, number>();
  const sends: Promise<unknown>[] = [];
  const total = Math.round(rate * seconds);
  const start = performance.now();
  while (due.size < total) {
    const now = performance.now();
    const values: string[] = [];
    while (due.size < total && start + (1_000 * due.size) / rate <= now) {
      const { cluster, value } = results.next();
      due.set(cluster, start + (1_000 * due.size) / rate);
      values.push(value);
    }
    if (values.length > 0) sends.push(ends.produce(values));
    await sleep(tickMs);
  }
  await Promise.all(sends);
  const missing = () => [...due.keys()].filter((cluster) => !ends.notified.has(cluster)).length;
  await until("everybody is notified", () => missing() === 0, 60_000 + 1_000 * seconds);
  return [...due].map(([cluster, at]) => (ends.notified.get(cluster) ?? Number.NaN) - at);
}
