import { createTopics } from "../dev/embedded.ts";
import { startServiceLogReceiver } from "../dev/stack/service_log_receiver.ts";
import type { LogLine } from "../test/support/service.ts";
import { type Options, type Report, type Result, result } from "./report.ts";
import { connect, openBenchServers, settings } from "./support/bench_database.ts";
import { fillOutbox, keepWaiting } from "./support/outbox.ts";
import { startProcess } from "./support/processes.ts";

const runs = 3;
const client = { clientId: "ccx-bench", clientSecret: "only-for-the-benchmark" };

type Servers = Awaited<ReturnType<typeof openBenchServers>>;
type Database = Awaited<ReturnType<Servers["createDatabase"]>>;

/**
 * Outbox → broker, and outbox → an HTTP receiver on this machine: `ccx work` delivers what waits after a
 * fleet of 40,000 clusters, times `scale`, got one issue more each. Rendering of the texts is included, the
 * decision is not. The first batch of a process is a case of its own: then it connects, and compiles what
 * each rule says.
 */
export async function run({ scale }: Options): Promise<Report> {
  const clusters = Math.max(200, Math.round(40_000 * scale));
  await using servers = await openBenchServers({ kafka: true });
  await using template = await servers.createMigrated();
  await using first = await connect(template.url);
  const machine = await settings(first);
  await fillOutbox(first, clusters);
  await first.end();

  const broker = await brokerRate(servers, template, clusters);
  const posts: Result[] = [];
  // the second one: what of it waits for answers
  for (const concurrency of [8, 32]) posts.push(await postRate(servers, template, clusters / 4, concurrency));
  const [usual] = posts;
  return {
    results: [...broker, ...posts],
    ratios: broker[0] && usual ? { broker_to_http: broker[0].median / usual.median } : {},
    machine,
  };
}

async function brokerRate(servers: Servers, template: Database, most: number): Promise<Result[]> {
  const figures: number[] = [];
  const firsts: number[] = [];
  let count = 0;
  for (let run = 0; run < runs; run++) {
    const topic = `ccx.bench.deliver.${process.pid}.${run}`;
    const topics = await createTopics(servers.brokers, [topic]);
    try {
      const env = { KAFKA_BROKERS: servers.brokers, CCX_NOTIFICATIONS_TOPIC: topic };
      const figure = await delivered(servers, template, "notifications backend", most, env);
      figures.push(figure.rate);
      firsts.push(figure.firstMs);
      count = figure.count;
    } finally {
      await topics.drop();
    }
  }
  return [
    result(`outbox to broker, ${count} messages`, "messages/s", figures),
    result("the first batch of a process", "ms", firsts),
  ];
}

async function postRate(
  servers: Servers,
  template: Database,
  most: number,
  concurrency: number,
): Promise<Result> {
  const figures: number[] = [];
  let count = 0;
  for (let run = 0; run < runs; run++) {
    const receiver = await startServiceLogReceiver(client);
    try {
      const figure = await delivered(servers, template, "service log", most, {
        KAFKA_BROKERS: servers.brokers,
        CCX_SERVICE_LOG_URL: receiver.url,
        CCX_SERVICE_LOG_TOKEN_URL: receiver.tokenUrl,
        CCX_SERVICE_LOG_CLIENT_ID: client.clientId,
        CCX_SERVICE_LOG_CLIENT_SECRET: client.clientSecret,
        CCX_SERVICE_LOG_CONCURRENCY: String(concurrency),
      });
      if (receiver.unexpected.length > 0) throw new Error(`unexpected: ${receiver.unexpected[0]}`);
      if (receiver.entries.length !== figure.count)
        throw new Error(`${receiver.entries.length} entries instead of ${figure.count}`);
      figures.push(figure.rate);
      count = figure.count;
    } finally {
      await receiver.stop();
    }
  }
  return result(`outbox to HTTP, ${count} posts, ${concurrency} at a time`, "posts/s", figures);
}

/** How many a worker of its own, on a database of its own, delivers a second. */
async function delivered(
  servers: Servers,
  template: Database,
  target: string,
  most: number,
  env: Record<string, string>,
): Promise<{ count: number; rate: number; firstMs: number }> {
  await using database = await servers.createDatabase(template);
  await using client = await connect(database.url);
  const count = await keepWaiting(client, target, Math.ceil(most));
  await client.end();
  await using worker = startProcess("work", { ...env, DATABASE_URL: database.url });
  const sent = (line: LogLine) => (line.target === target ? Number(line.sent) : 0);
  const lines = (await worker.counted("delivered", sent, count, 120_000 + count * 20)).filter(
    (line) => line.target === target,
  );
  await worker.service.stop();
  const [first, last] = [lines[0], lines.at(-1)];
  if (!first || !last || lines.length < 2)
    throw new Error(`too few messages to say how fast they go: ${count}`);
  const seconds = (Date.parse(String(last.time)) - Date.parse(String(first.time))) / 1_000;
  return { count, rate: (count - Number(first.sent)) / seconds, firstMs: Number(first.ms) };
}
