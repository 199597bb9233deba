import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import kafkajs from "kafkajs";
import pg from "pg";
import { prepareDatabase } from "../dev/embedded.ts";
import { below, pick, seeded } from "../dev/samples/random.ts";
import { startServiceLogReceiver } from "../dev/stack/service_log_receiver.ts";
import { startStack } from "../dev/stack/stack.ts";
import { createLogger } from "../src/log.ts";
import { aReport, type Hit } from "../test/support/reports.ts";
import { Service } from "../test/support/service.ts";
import { until } from "../test/support/until.ts";
import { type Options, type Report, result } from "./report.ts";

const partitions = 4;
const topics = { results: "ccx.ocp.results", notifications: "platform.notifications.ingress" };
/** So many messages may wait on the topic: then the producer waits. */
const ahead = 40_000;

const nodeOptions = process.env.NODE_OPTIONS;

/**
 * How much memory each role takes while a million reports of 2 to 11 KB of 20,000 clusters pass through it.
 */
export async function run({ scale }: Options): Promise<Report> {
  const count = Math.max(1_000, Math.round(1_000_000 * scale));
  await using owned = new AsyncDisposableStack();
  const stack = await startStack({ log: (line) => console.error(line) });
  owned.defer(() => stack.stop());
  await prepareDatabase(stack.databaseUrl, createLogger("silent"));
  const database = new pg.Pool({
    connectionString: stack.databaseUrl,
    max: 2,
    options: "-c search_path=public,ccx",
  });
  owned.defer(() => database.end());
  const client = new kafkajs.Kafka({ brokers: [stack.kafkaBrokers], logLevel: kafkajs.logLevel.NOTHING });
  const admin = client.admin();
  await admin.connect();
  owned.defer(() => admin.disconnect());
  const configEntries = [{ name: "segment.bytes", value: String(64 * 1024 * 1024) }];
  await admin.createTopics({
    topics: [
      { topic: topics.results, numPartitions: partitions, configEntries },
      { topic: topics.notifications, numPartitions: partitions },
    ],
    waitForLeaders: true,
  });

  const secrets = { clientId: "ccx-soak", clientSecret: "only-for-the-stand-in" };
  const receiver = owned.use(await startServiceLogReceiver(secrets));
  const env = {
    DATABASE_URL: stack.databaseUrl,
    KAFKA_BROKERS: stack.kafkaBrokers,
    CCX_SERVICE_LOG_URL: receiver.url,
    CCX_SERVICE_LOG_TOKEN_URL: receiver.tokenUrl,
    CCX_SERVICE_LOG_CLIENT_ID: secrets.clientId,
    CCX_SERVICE_LOG_CLIENT_SECRET: secrets.clientSecret,
    ...(nodeOptions && { NODE_OPTIONS: nodeOptions }),
  };
  const roles = { consume: new Service("consume", env), work: new Service("work", env) };
  owned.defer(async () => void (await Promise.all(Object.values(roles).map((role) => role.kill()))));
  await Promise.all(Object.values(roles).map((role) => role.says("running")));

  const consumed = async () =>
    Number(
      (await database.query("select coalesce(sum(next_offset), 0) as n from consumer_offset")).rows[0].n,
    );
  const began = performance.now();
  await produce(client, count, consumed, async () => {
    // what has been consumed may go, so that a million fit on a small disk; next time, if not now
    const { rows } = await database.query("select partition, next_offset as offset from consumer_offset");
    await admin.deleteTopicRecords({ topic: topics.results, partitions: rows }).catch(() => undefined);
  });
  const alive = () => {
    for (const [name, { hasEnded, stderr }] of Object.entries(roles))
      if (hasEnded) throw new Error(`${name} ended: ${stderr}`);
  };
  const waitFor = (what: string, isThere: () => Promise<boolean>) =>
    until(
      what,
      async () => {
        alive();
        return isThere();
      },
      3_600_000,
    );
  await waitFor("all is consumed", async () => (await consumed()) === count);
  const seconds = (performance.now() - began) / 1_000;
  const left = `select (select count(*) from decision_due)
    + (select count(*) from notification where state = 'pending') as n`;
  await waitFor("all is sent", async () => (await database.query(left)).rows[0].n === "0");
  const megabytes = async (role: Service) => (await role.peakMemory()) / 1024 / 1024;
  const { rows } = await database.query(
    "select count(*)::integer as n from notification where state = 'sent'",
  );
  return {
    results: [
      result(`consume: peak RSS, ${count} messages`, "MiB", [await megabytes(roles.consume)]),
      result(`work: peak RSS, ${rows[0].n} notifications`, "MiB", [await megabytes(roles.work)]),
    ],
    ratios: { messages_per_second: count / seconds },
    machine: { node_options: nodeOptions ?? "none" },
  };
}

const hits: Hit[][] = [["bug"], ["proxy"], ["volume"], ["tutorial"], ["bug", "proxy"], []];

/** Puts reports on the topic, at most `ahead` of what has been consumed. */
async function produce(
  client: kafkajs.Kafka,
  count: number,
  consumed: () => Promise<number>,
  tidy: () => Promise<void>,
): Promise<void> {
  const random = seeded(1);
  const clusters = Array.from({ length: 20_000 }, () => randomUUID());
  const words = Array.from({ length: 2_000 }, () => randomUUID()).join(" ");
  const begin = Date.now() - 12 * 3_600_000;
  const producer = client.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  await producer.connect();
  try {
    for (let made = 0; made < count; ) {
      while (made - (await consumed()) > ahead) await sleep(100);
      const batch = Array.from({ length: Math.min(500, count - made) }, () => {
        const nth = below(random, clusters.length);
        // the same hits as before, mostly
        const mine = random() < 0.95 ? hits[nth % hits.length] : pick(random, hits);
        const message = JSON.parse(
          aReport(clusters[nth] ?? "", mine ?? [], {
            OrgID: 1 + (nth % 1_000),
            LastChecked: new Date(begin + made++ * 10).toISOString(),
          }),
        );
        const size = 1_000 + below(random, 9_000);
        const from = below(random, words.length - 11_000);
        message.Report.skips = [{ details: words.slice(from, from + size / 2) }];
        message.Report.remarks = words.slice(from + size / 2, from + size);
        return { partition: nth % partitions, value: JSON.stringify(message) };
      });
      await producer.send({ topic: topics.results, messages: batch });
      if (made % 50_000 === 0) await tidy();
    }
  } finally {
    await producer.disconnect();
  }
}
