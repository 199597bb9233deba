import assert from "node:assert/strict";
import { test } from "node:test";
import kafkajs, { type Consumer, type Kafka } from "kafkajs";
import type { Pool } from "pg";
import { ResultsConsumer, type ResultsConsumerOptions } from "../../src/ingest/consumer.ts";
import { registerCodecs } from "../../src/kafka/codecs.ts";
import { passOnUnreadable } from "../../src/kafka/fetched.ts";
import { createLogger } from "../../src/log.ts";
import { rows, value } from "../support/builders.ts";
import { holdingCalls, watching } from "../support/consuming.ts";
import { testDatabase } from "../support/database.ts";
import { openTopics } from "../support/kafka.ts";
import { aCluster, aReport } from "../support/reports.ts";
import { until } from "../support/until.ts";

const database = testDatabase();
registerCodecs(3_000_000);
passOnUnreadable();
/** So many of these messages are more than one fetch brings of a partition. */
const perFetch = 12;
const padding = "x".repeat(100_000);
const messages = (count: number) => Array.from({ length: count }, () => aReport(aCluster(), [], { padding }));

const holding = (before: (call: number) => Promise<void>) =>
  holdingCalls(database.pool, "ccx.ingest(", before);

async function stored(topic: string): Promise<number> {
  const sql = "select coalesce(sum(next_offset), 0)::integer from consumer_offset where topic = $1";
  return Number(await value(database.pool, sql, [topic]));
}

const rowsOfReports = async () => Number(await value(database.pool, "select count(*) from new_reports"));

const open = (
  kafka: Kafka,
  pool: Pool,
  { results, group }: { results: string; group: string },
  options: Partial<ResultsConsumerOptions> = {},
) =>
  new ResultsConsumer({
    ...{ kafka, pool, log: createLogger("silent"), topic: results, group, batchSize: 1_000 },
    ...options,
  });

const plain = (brokers: string) => watching(brokers, (payload) => payload);
const never = new AbortController().signal;

test("while the database stores the end of a batch the next one is fetched, but not stored", async () => {
  await using topics = await openTopics();
  await topics.produce(messages(perFetch));
  await topics.produce(messages(perFetch));
  const gate = Promise.withResolvers<void>();
  const { pool, calls } = holding(() => gate.promise);
  let batches = 0;
  const kafka = watching(topics.brokers, (payload) => {
    batches++;
    return payload;
  });
  const before = await rowsOfReports();
  const consumer = open(kafka, pool, topics);
  await consumer.start(new AbortController().signal);
  try {
    await until("the next batch has come", async () => batches === 2);
    // what it does until it waits, it does in this turn
    await topics.committed();
    assert.deepEqual([calls(), await stored(topics.results)], [1, 0]);
    assert.equal(await topics.committed(), 0, "nor does Kafka believe that it is stored");
    gate.resolve();
    await until("all is stored", async () => (await stored(topics.results)) === 2 * perFetch);
    assert.equal((await rowsOfReports()) - before, 2 * perFetch);
    await until("Kafka knows", async () => (await topics.committed()) === 2 * perFetch);
  } finally {
    gate.resolve();
    await consumer.stop();
  }
});

test("of many partitions two are stored at a time", async () => {
  await using topics = await openTopics(5);
  for (let partition = 0; partition < 5; partition++) await topics.produce(messages(1), { partition });
  const gate = Promise.withResolvers<void>();
  const { pool, calls } = holding(() => gate.promise);
  let batches = 0;
  const kafka = watching(topics.brokers, (payload) => {
    batches++;
    return payload;
  });
  // none of them is stuck, however slow the machine is
  const consumer = open(kafka, pool, topics, { stuckAfterMs: 60_000 });
  await consumer.start(new AbortController().signal);
  try {
    await until("more have come", async () => batches >= 3);
    await topics.committed();
    assert.equal(calls(), 2);
    gate.resolve();
    await until("all is stored", async () => (await stored(topics.results)) === 5);
  } finally {
    gate.resolve();
    await consumer.stop();
  }
});

test("what was given up after its batch had been handed back is read again before anything else is stored", async () => {
  await using topics = await openTopics();
  await topics.produce(messages(perFetch));
  await topics.produce(messages(perFetch));
  let isRunning = true;
  const second = Promise.withResolvers<void>();
  const { pool } = holding(async (call) => {
    if (call > 1) return;
    await second.promise;
    isRunning = false;
    throw Object.assign(new Error("the database is away"), { code: "ECONNREFUSED" });
  });
  let batches = 0;
  const kafka = watching(topics.brokers, (payload) => {
    if (++batches === 2) second.resolve();
    // as if the group had been left, which kafkajs does not hear of
    return batches === 1 ? { ...payload, isRunning: () => isRunning } : payload;
  });
  const before = await rowsOfReports();
  const consumer = open(kafka, pool, topics);
  await consumer.start(new AbortController().signal);
  try {
    await until("all is stored", async () => (await stored(topics.results)) === 2 * perFetch);
    assert.equal((await rowsOfReports()) - before, 2 * perFetch);
  } finally {
    await consumer.stop();
  }
});

test("a stop lets what is under way be stored, and tells Kafka; what comes meanwhile is not fetched again and again", async () => {
  await using topics = await openTopics(2);
  await topics.produce(messages(1));
  const gate = Promise.withResolvers<void>();
  const { pool, calls } = holding(() => gate.promise);
  let batches = 0;
  const kafka = watching(topics.brokers, (payload) => {
    batches++;
    return payload;
  });
  const consumer = open(kafka, pool, topics, { stopWithinMs: 60_000 });
  await consumer.start(new AbortController().signal);
  await until("it is under way", async () => calls() === 1);
  let ended = false;
  const stopping = consumer.stop().finally(() => {
    ended = true;
  });
  await topics.produce(messages(1), { partition: 1 });
  await until("more has come", async () => batches === 2);
  // longer than it takes to leave a group
  for (let n = 0; n < 300 && !ended; n++) await topics.committed();
  assert.deepEqual([ended, batches, calls()], [false, 2, 1]);
  gate.resolve();
  await stopping;
  assert.deepEqual([await stored(topics.results), await topics.committed()], [1, 1]);
});

/** As if a stand-by without the last transactions, which were of this partition, had taken over. */
async function loseFrom(topic: string, offset: number, partition = 0): Promise<void> {
  await database.pool.query("delete from new_reports where kafka_offset >= $1", [offset]);
  const at = "update consumer_offset set next_offset = $2 where topic = $1 and partition = $3";
  await database.pool.query(at, [topic, offset, partition]);
}

test("what the database lost while the consumer runs is read again with the next message", {
  timeout: 20_000,
}, async () => {
  await using topics = await openTopics();
  await database.pool.query("delete from new_reports");
  await topics.produce(messages(6));
  const consumer = open(plain(topics.brokers), database.pool, topics);
  await consumer.start(never);
  try {
    await until("all is stored", async () => (await topics.committed()) === 6);
    await loseFrom(topics.results, 4);
    await topics.produce(messages(2));
    await until("all is stored again", async () => (await stored(topics.results)) === 8);
    assert.equal(await rowsOfReports(), 8);
  } finally {
    await consumer.stop();
  }
});

test("when connections were lost, what the database lost is read again although nothing new comes in", {
  timeout: 20_000,
}, async () => {
  await using topics = await openTopics();
  await topics.produce(messages(6));
  const consumer = open(plain(topics.brokers), database.pool, topics);
  await consumer.start(never);
  try {
    await until("all is stored", async () => (await topics.committed()) === 6);
    await loseFrom(topics.results, 2);
    database.pool.emit("error", new Error("terminating connection"), undefined as never);
    await until("all is stored again", async () => (await stored(topics.results)) === 6);
  } finally {
    await consumer.stop();
  }
});

test("where a call finds the database away, every partition is compared with it once it is back", {
  timeout: 20_000,
}, async () => {
  await using topics = await openTopics(2);
  for (const partition of [0, 1]) await topics.produce(messages(6), { partition });
  let isAway = false;
  const { pool } = holding(async () => {
    if (!isAway) return;
    isAway = false;
    throw Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
  });
  let compared = 0;
  const kafka = plain(topics.brokers);
  const admin = kafka.admin.bind(kafka);
  kafka.admin = () => {
    const client = admin();
    const { disconnect } = client;
    client.disconnect = () => disconnect().then(() => void compared++);
    return client;
  };
  const consumer = open(kafka, pool, topics);
  await consumer.start(never);
  try {
    await until("all is stored", async () => (await topics.committed()) === 12);
    await until("what it does when it has joined is done", () => compared === 1);
    // what comes in is of another partition, which has lost nothing
    await loseFrom(topics.results, 2, 1);
    isAway = true;
    await topics.produce(messages(1), { partition: 0 });
    await until("all is stored again", async () => (await stored(topics.results)) === 13);
  } finally {
    await consumer.stop();
  }
});

test("partitions that somebody's locks hold up stop no other, and go on when the locks are gone", {
  timeout: 20_000,
}, async () => {
  await using topics = await openTopics(5);
  const handedOver = new Map<number, number>();
  const kafka = watching(topics.brokers, (payload) => {
    const { partition } = payload.batch;
    handedOver.set(partition, (handedOver.get(partition) ?? 0) + 1);
    return payload;
  });
  const everywhere = async () => {
    for (let partition = 0; partition < 5; partition++) await topics.produce(messages(1), { partition });
  };
  await everywhere();
  const consumer = open(kafka, database.pool, topics, { stuckAfterMs: 20 });
  await consumer.start(never);
  const client = await database.pool.connect();
  try {
    await until("all is stored", async () => (await stored(topics.results)) === 5);
    await client.query("begin");
    const lock = "select from consumer_offset where topic = $1 and partition < 3 for update";
    await client.query(lock, [topics.results]);
    for (let round = 2; round <= 4; round++) {
      await everywhere();
      await until("the others go on", async () => (await stored(topics.results)) === 3 + 2 * round);
    }
    for (const partition of [0, 1, 2])
      assert.ok((handedOver.get(partition) ?? 0) <= 4, "a paused partition is not fetched again and again");
    await client.query("rollback");
    await until("all is stored", async () => (await stored(topics.results)) === 20);
  } finally {
    await client.query("rollback");
    client.release();
    await consumer.stop();
  }
});

test("a stop ends in its time although a portion waits for a lock", { timeout: 20_000 }, async () => {
  await using topics = await openTopics();
  await topics.produce(messages(1));
  const gate = Promise.withResolvers<void>();
  const { pool, calls } = holding(() => gate.promise);
  const consumer = open(plain(topics.brokers), pool, topics, { stopWithinMs: 2_100 });
  await consumer.start(never);
  await until("it is under way", async () => calls() === 1);
  await consumer.stop();
  assert.deepEqual([calls(), await stored(topics.results)], [1, 0]);
  gate.resolve();
});

test("a consumer that is stopped while it connects leaves no connection behind", async () => {
  await using topics = await openTopics();
  const gate = Promise.withResolvers<void>();
  const events: string[] = [];
  const gated = (made: Consumer) => {
    const { connect } = made;
    made.connect = () => gate.promise.then(connect);
    for (const event of ["consumer.connect", "consumer.disconnect"] as const)
      made.on(event, () => events.push(event));
  };
  const kafka = watching(topics.brokers, (payload) => payload, gated);
  const consumer = open(kafka, database.pool, topics);
  const starting = consumer.start(never);
  const stopping = consumer.stop();
  gate.resolve();
  await Promise.all([starting, stopping]);
  assert.deepEqual(events.slice(-2), ["consumer.connect", "consumer.disconnect"]);
});

test("batches that inflate beyond the limit end as rows of rejected_message, and the rest goes on", {
  timeout: 20_000,
}, async () => {
  const { None, GZIP, Snappy, LZ4, ZSTD } = kafkajs.CompressionTypes;
  await using topics = await openTopics(2);
  await topics.produce(messages(1), { partition: 1 });
  for (const compression of [GZIP, Snappy, LZ4, ZSTD]) {
    await topics.produce(["0".repeat(2_000_000), "0".repeat(2_000_000)], { compression });
    await topics.produce(messages(1), { compression: None });
  }
  const before = await rowsOfReports();
  const consumer = open(plain(topics.brokers), database.pool, topics);
  await consumer.start(never);
  try {
    await until("all is consumed", async () => (await stored(topics.results)) === 13);
    assert.equal((await rowsOfReports()) - before, 5);
    const rejected = `select reason, kafka_offset::integer as last, substr(detail, 1, 40) as detail
      from rejected_message where topic = $1 order by kafka_offset`;
    assert.deepEqual(
      await rows(database.pool, rejected, [topics.results]),
      [0, 3, 6, 9].map((first) => ({
        ...{ reason: "too_large", last: first + 1 },
        detail: `The batch of offsets ${first} to ${first + 1} cannot be read`.slice(0, 40),
      })),
    );
    const retried = await rows(database.pool, "select * from rejected_to_retry(topic => $1)", [
      topics.results,
    ]);
    assert.deepEqual(retried, [], "no retry can read a batch");
  } finally {
    await consumer.stop();
  }
});

test("a wrong hash of hits is refused once; from then on the database reads every report", async () => {
  await using topics = await openTopics();
  const cluster = aCluster();
  const sent: boolean[] = [];
  const pool = new Proxy(database.pool, {
    get(target, name) {
      const found = Reflect.get(target, name, target);
      if (name !== "query") return typeof found === "function" ? found.bind(target) : found;
      return (query: { text?: string; values?: unknown[] }, ...others: unknown[]) => {
        if (!query.text?.includes("ccx.ingest(")) return found.call(target, query, ...others);
        const [topic, partition, batch, ...rest] = query.values ?? [];
        sent.push(String(batch).includes('"hits_hash"'));
        const wrong = String(batch).replace(/"hits_hash":-?\d+/g, '"hits_hash":1');
        return found.call(target, { ...query, values: [topic, partition, wrong, ...rest] }, ...others);
      };
    },
  });
  const kafka = new kafkajs.Kafka({ brokers: topics.brokers.split(","), logLevel: kafkajs.logLevel.NOTHING });
  const consumer = open(kafka, pool, topics);
  try {
    await consumer.start(new AbortController().signal);
    for (const [nth, hits] of [["bug"], ["proxy"]].entries()) {
      await topics.produce([aReport(cluster, hits as Parameters<typeof aReport>[1])]);
      await until("it is stored", async () => (await stored(topics.results)) === nth + 1);
    }
  } finally {
    await consumer.stop();
  }
  assert.deepEqual(sent, [true, false, false]);
  const hashes = "select distinct hits_hash from new_reports where cluster = $1";
  assert.deepEqual(await rows(database.pool, hashes, [cluster]), [{ hits_hash: null }]);
  assert.deepEqual(await rows(database.pool, "select * from drift"), []);
});
