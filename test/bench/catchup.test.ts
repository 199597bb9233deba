import assert from "node:assert/strict";
import { test } from "node:test";
import kafkajs from "kafkajs";
import type { Pool } from "pg";
import { addResults, messagesOf } from "../../bench/support/results.ts";
import { ResultsConsumer } from "../../src/ingest/consumer.ts";
import { createLogger } from "../../src/log.ts";
import { value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { openTopics } from "../support/kafka.ts";
import { until } from "../support/until.ts";

const database = testDatabase();
const partitions = 4;
const clusters = 600;
const bytes = 2_000;
const rounds = [-4, -3, -2, -1];
const batchSize = 100;

/** The pool, with the batches that went through it, and how much of them was under way at once, at most. */
function watched(pool: Pool) {
  const seen = { batches: 0, most: 0, bytes: 0, mostBytes: 0 };
  let running = 0;
  const proxy = new Proxy(pool, {
    get(target, name) {
      const found = Reflect.get(target, name, target);
      if (name !== "query") return typeof found === "function" ? found.bind(target) : found;
      return (query: { text?: string; values?: unknown[] }, ...others: unknown[]) => {
        const answer = Promise.resolve(found.call(target, query, ...others));
        if (!query.text?.includes(" ingest(")) return answer;
        const size = JSON.stringify(query.values).length;
        seen.batches++;
        seen.bytes += size;
        seen.most = Math.max(seen.most, ++running);
        seen.mostBytes = Math.max(seen.mostBytes, size);
        return answer.finally(() => {
          running--;
        });
      };
    },
  });
  return { pool: proxy, seen };
}

test("a backlog is worked off in full batches, two at a time at most, while more comes in", async (t) => {
  const client = await database.pool.connect();
  await using topics = await openTopics(partitions);
  const round = async (round: number) => {
    for await (const values of messagesOf(client, { clusters, round, bytes }, clusters))
      for (let partition = 0; partition < partitions; partition++)
        await topics.produce(
          values.filter((_, n) => n % partitions === partition),
          { partition },
        );
  };
  const { pool, seen } = watched(database.pool);
  const consumer = new ResultsConsumer({
    kafka: new kafkajs.Kafka({ brokers: topics.brokers.split(","), logLevel: kafkajs.logLevel.NOTHING }),
    pool,
    log: createLogger("silent"),
    topic: topics.results,
    group: topics.group,
    batchSize,
  });
  const stored = async () => Number(await value(database.pool, "select count(*) from new_reports"));
  try {
    await addResults(client);
    for (const past of rounds) await round(past);
    await consumer.start(new AbortController().signal);
    await until("some of it is stored", async () => (await stored()) > 0);
    await round(0);
    const all = (rounds.length + 1) * clusters;
    await until("all of it is stored", async () => (await stored()) === all);
    const next = "select sum(next_offset)::integer from consumer_offset where topic = $1";
    assert.equal(await value(database.pool, next, [topics.results]), all);
    t.diagnostic(JSON.stringify(seen));
    // full, but for the end of what a fetch brought: a megabyte of each partition
    assert.ok(seen.batches <= (2 * all) / batchSize, `${seen.batches} batches`);
    assert.ok(seen.most <= 2, `${seen.most} batches under way at once`);
    assert.ok(seen.mostBytes <= 3 * bytes * batchSize, `${seen.mostBytes} bytes in a batch`);
  } finally {
    await consumer.stop();
    client.release();
  }
});
