import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import kafkajs, { type Consumer, type EachBatchPayload, type Kafka } from "kafkajs";
import type { Pool } from "pg";
import { AnnouncementConsumer } from "../../src/analyze/consumer.ts";
import { ConfigurationError } from "../../src/errors.ts";
import { registerCodecs } from "../../src/kafka/codecs.ts";
import { passOnUnreadable } from "../../src/kafka/fetched.ts";
import { registry } from "../../src/metrics/registry.ts";
import { rows, value } from "../support/builders.ts";
import { holdingCalls, watching } from "../support/consuming.ts";
import { testDatabase } from "../support/database.ts";
import { openTopics, type TestTopics } from "../support/kafka.ts";
import { testKafka } from "../support/topic.ts";
import { until } from "../support/until.ts";
import { announcement } from "../support/uploads.ts";

const database = testDatabase();
registerCodecs(3_000_000);
passOnUnreadable();

const ours = { service: "openshift" };
const url = "https://bucket.example/a";
const some = (count: number) => Array.from({ length: count }, () => announcement({ url }));

type Line = Record<string, unknown> & { msg: string };

type Given = {
  pool?: Pool;
  topic?: string;
  each?: (payload: EachBatchPayload) => EachBatchPayload;
  made?: (consumer: Consumer) => void;
  admin?: Kafka["admin"];
};

/** A consumer of the topic; `woken` counts how often it said that there is something to analyze. */
function consuming(
  topics: TestTopics,
  { pool = database.pool, topic, each = (it) => it, made, admin }: Given = {},
) {
  const lines: Line[] = [];
  const log = Object.fromEntries(
    ["debug", "info", "warn", "error"].map((level) => [
      level,
      (about: object, msg: string) => lines.push({ ...about, msg }),
    ]),
  );
  let woken = 0;
  const consumer = new AnnouncementConsumer({
    ...{
      kafka: { ...watching(topics.brokers, each, made), ...(admin && { admin }) } as Kafka,
      pool,
      log: log as never,
    },
    ...{ topic: topic ?? topics.results, group: topics.group },
    onTaken: () => woken++,
  });
  const says = (msg: string) => until(msg, () => lines.find((line) => line.msg === msg));
  return {
    ...{ consumer, lines, says, woken: () => woken },
    [Symbol.asyncDispose]: () => consumer.stop(),
  };
}

const next = async (topic: string) =>
  Number(
    await value(
      database.pool,
      "select coalesce(sum(next_offset), 0)::integer from consumer_offset where topic = $1",
      [topic],
    ),
  );
const consumed = (topic: string, count: number) =>
  until(`${count} are consumed`, async () => (await next(topic)) === count);
const offsets = async () =>
  (await rows(database.pool, "select kafka_offset::integer as at from analysis order by kafka_offset")).map(
    ({ at }) => at,
  );
/** As if a stand-by without the last transactions had taken over. */
async function loseFrom(topic: string, offset: number): Promise<void> {
  await database.pool.query("delete from analysis where kafka_offset >= $1", [offset]);
  await database.pool.query("update consumer_offset set next_offset = $2 where topic = $1", [topic, offset]);
}

beforeEach(() => database.pool.query("truncate analysis, consumer_offset cascade"));

test("announcements are taken in portions, and who analyzes is woken only when there is something", async () => {
  await using topics = await openTopics();
  await topics.produce(some(450), { headers: ours });
  const { pool, calls } = holdingCalls(database.pool, "take_announcements", async () => undefined);
  await using it = consuming(topics, { pool });
  await it.consumer.start();
  await consumed(topics.results, 450);
  await until("Kafka knows", async () => (await topics.committed()) === 450);
  assert.deepEqual([calls(), it.woken()], [3, 3]);
  await topics.produce(["no json"], { headers: ours });
  await topics.produce(some(1), { headers: { service: "advisor" } });
  await consumed(topics.results, 452);
  await until("Kafka knows", async () => (await topics.committed()) === 452);
  assert.equal(it.woken(), 3);
  const taken = it.lines.filter(({ msg }) => msg === "announcements taken");
  assert.deepEqual(
    taken.reduce<number[]>(
      (sum, line) => sum.map((n, at) => n + Number(line[counts[at] ?? ""])),
      [0, 0, 0, 0],
    ),
    [450, 0, 1, 1],
  );
  assert.match(await registry.metrics(), /^ccx_analyze_announcements_total\{outcome="taken"\} 450$/m);
});

const counts = ["taken", "known", "dead", "skipped"];

test("what cannot be read stands where it was, with its bytes and the reason", async () => {
  await using topics = await openTopics();
  const { GZIP } = kafkajs.CompressionTypes;
  const largest = announcement({ url, requestId: "r", more: { padding: "" } });
  const padded = (bytes: number) =>
    announcement({ url, requestId: "r", more: { padding: "x".repeat(bytes - largest.length) } });
  await topics.produce(["0".repeat(2_000_000), "0".repeat(2_000_000)], { compression: GZIP }); // 0 and 1
  await topics.produce([Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d]), "[".repeat(100_000)], { headers: ours });
  await topics.produce([padded(256 * 1024), padded(256 * 1024 + 1)], { headers: ours });
  // a header twice counts by its first value, one with a NUL is that of another service
  await topics.produce(some(1), { headers: { service: ["openshift", "advisor"] } });
  await topics.produce(some(1), { headers: { service: Buffer.from("open\0shift") } });
  await using it = consuming(topics);
  await it.consumer.start();
  await consumed(topics.results, 8);
  assert.deepEqual(
    await rows(
      database.pool,
      `select kafka_offset::integer as at, failure, octet_length(announcement) as bytes from analysis
       where kafka_offset > 1 order by kafka_offset`,
    ),
    [
      { at: 2, failure: "not_json", bytes: 5 },
      { at: 3, failure: "unreadable", bytes: 100_000 },
      { at: 4, failure: null, bytes: null },
      { at: 5, failure: "announcement_too_large", bytes: 256 * 1024 },
      { at: 6, failure: null, bytes: null },
    ],
  );
  const [batch] = await rows(
    database.pool,
    `select kafka_offset::integer as at, failure, error, octet_length(announcement) > 1000 as has_bytes
     from analysis where kafka_offset < 2`,
  );
  assert.match(String(batch?.error), /offsets 0 to 1/);
  assert.deepEqual({ ...batch, error: "" }, { at: 1, failure: "unreadable", error: "", has_bytes: true });
});

test("a portion that a value spoils is taken one by one, each where the one before ended", async () => {
  await using topics = await openTopics();
  await database.pool.query(
    `create or replace function refuse() returns trigger language plpgsql as $$
     begin raise exception 'this cannot be held' using errcode = 'invalid_parameter_value'; end $$;
     create trigger refuse before insert on analysis for each row when (new.request_id = 'poison')
     execute function refuse()`,
  );
  const [a = "", c = ""] = some(2);
  await topics.produce([a, announcement({ url, requestId: "poison" }), c, a], { headers: ours });
  let isLost = false;
  const { pool } = holdingCalls(database.pool, "take_announcements", async (call) => {
    // the portion; the first; the second, twice; and before the third the database loses both
    if (call !== 5) return;
    isLost = true;
    await loseFrom(topics.results, 0);
  });
  await using it = consuming(topics, { pool });
  try {
    await it.consumer.start();
    await consumed(topics.results, 4);
    assert.ok(isLost);
    assert.deepEqual(await offsets(), [0, 1, 2]);
    const line = await it.says("announcements taken");
    assert.deepEqual(
      counts.map((name) => line?.[name]),
      [2, 1, 1, 0],
    );
  } finally {
    await it.consumer.stop();
    await database.pool.query("drop function refuse cascade");
  }
});

test("when connections were lost, what the database lost is taken again although nothing new comes in", async () => {
  await using topics = await openTopics();
  await topics.produce(some(6), { headers: ours });
  await using it = consuming(topics);
  await it.consumer.start();
  await until("all is taken", async () => (await topics.committed()) === 6);
  await loseFrom(topics.results, 2);
  database.pool.emit("error", new Error("terminating connection"), undefined as never);
  await consumed(topics.results, 6);
  assert.deepEqual(await offsets(), [0, 1, 2, 3, 4, 5]);
});

test("what the database lost while the consumer runs is taken again with the next announcement", {
  timeout: 20_000,
}, async () => {
  await using topics = await openTopics();
  await topics.produce(some(6), { headers: ours });
  await using it = consuming(topics);
  await it.consumer.start();
  await until("all is taken", async () => (await topics.committed()) === 6);
  await loseFrom(topics.results, 4);
  await topics.produce(some(1), { headers: ours });
  await consumed(topics.results, 7);
  assert.deepEqual(await offsets(), [0, 1, 2, 3, 4, 5, 6]);
});

test("partitions that are assigned anew make a portion that waits no other one", async () => {
  await using topics = await openTopics();
  await topics.produce(some(600), { headers: ours });
  const heard: ((event: unknown) => void)[] = [];
  const { pool } = holdingCalls(database.pool, "take_announcements", async (call) => {
    if (call !== 2) return;
    // the second portion: a failover that loses the first, and meanwhile partitions are assigned
    await loseFrom(topics.results, 0);
    for (const listener of heard) listener({ payload: { memberAssignment: {} } });
    throw Object.assign(new Error("the database is away"), { code: "ECONNREFUSED" });
  });
  const made = (consumer: Consumer) => {
    const on = consumer.on.bind(consumer);
    consumer.on = ((name: never, listener: never) => {
      if (name === "consumer.group_join") heard.push(listener);
      return on(name, listener);
    }) as typeof consumer.on;
  };
  await using it = consuming(topics, { pool, made });
  await it.consumer.start();
  await consumed(topics.results, 600);
  assert.equal((await offsets()).length, 600);
});

test("where Kafka is ahead of the database nothing is taken before what comes first is read", async () => {
  await using topics = await openTopics();
  await topics.produce(some(4), { headers: ours });
  const before = consuming(topics);
  await before.consumer.start();
  await until("Kafka knows", async () => (await topics.committed()) === 4);
  await before.consumer.stop();
  await loseFrom(topics.results, 2);
  await topics.produce(some(1), { headers: ours });
  await using it = consuming(topics, {
    admin: () => ({ ...testKafka().admin(), connect: () => Promise.reject(new Error("nobody answers")) }),
  });
  await it.consumer.start();
  await consumed(topics.results, 5);
  assert.deepEqual(await offsets(), [0, 1, 2, 3, 4]);
});

test("where the database is behind when partitions are assigned, they are read again although nothing new comes in", async () => {
  await using topics = await openTopics();
  await topics.produce(some(4), { headers: ours });
  const before = consuming(topics);
  await before.consumer.start();
  await until("Kafka knows", async () => (await topics.committed()) === 4);
  await before.consumer.stop();
  await loseFrom(topics.results, 2);
  await using it = consuming(topics);
  await it.consumer.start();
  await consumed(topics.results, 4);
});

test("a batch that came before others went on is no topic that was created anew", async () => {
  await using topics = await openTopics();
  await topics.produce(some(4), { headers: ours });
  await using it = consuming(topics, {
    // as handed over before the last two were there, the first of which another consumer has taken since
    each: ({ batch, ...others }) => ({
      ...others,
      batch: Object.assign(Object.create(batch), { highWatermark: "2", messages: batch.messages }),
    }),
  });
  await database.pool.query("insert into consumer_offset (topic, partition, next_offset) values ($1, 0, 3)", [
    topics.results,
  ]);
  await it.consumer.start();
  await Promise.race([consumed(topics.results, 4), it.consumer.failed]);
  assert.deepEqual(await offsets(), [3]);
});

test("a topic that was created anew ends the consumer, with what a person has to do", {
  timeout: 20_000,
}, async () => {
  await using topics = await openTopics();
  await topics.produce(some(1), { headers: ours });
  await using it = consuming(topics);
  await database.pool.query("insert into consumer_offset (topic, partition, next_offset) values ($1, 0, 9)", [
    topics.results,
  ]);
  await it.consumer.start();
  await assert.rejects(it.consumer.failed, (error: Error) => {
    assert.ok(error instanceof ConfigurationError);
    assert.match(error.message, /was created anew; when that is so: delete from consumer_offset/);
    return true;
  });
});

test("a topic that is not there yet is waited for", async () => {
  await using topics = await openTopics();
  const topic = `${topics.results}.later`;
  await using it = consuming(topics, { topic });
  const started = it.consumer.start();
  await it.says(`topic ${topic} does not exist: create it`);
  await using admin = await topics.admin();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
  await started;
  const producer = new kafkajs.Kafka({
    brokers: topics.brokers.split(","),
    logLevel: kafkajs.logLevel.NOTHING,
  }).producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  await producer.connect();
  await producer.send({ topic, messages: [{ value: announcement({ url }), headers: ours }] });
  await producer.disconnect();
  await consumed(topic, 1);
  await it.consumer.stop();
  await admin.deleteTopics({ topics: [topic] });
});

test("a stop lets what is under way be stored, and tells Kafka nothing of what it does not store", async () => {
  await using topics = await openTopics();
  await topics.produce(some(250), { headers: ours });
  const gate = Promise.withResolvers<void>();
  const { pool, calls } = holdingCalls(database.pool, "take_announcements", () => gate.promise);
  const listeners = database.pool.listenerCount("error");
  await using it = consuming(topics, { pool });
  await it.consumer.start();
  await until("it is under way", () => calls() === 1);
  const stopped = it.consumer.stop();
  gate.resolve();
  await stopped;
  assert.deepEqual([await next(topics.results), calls()], [200, 1]);
  assert.equal(database.pool.listenerCount("error"), listeners);
});
