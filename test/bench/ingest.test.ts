import assert from "node:assert/strict";
import { test } from "node:test";
import kafkajs from "kafkajs";
import { portions } from "../../bench/support/entries.ts";
import { addResults, messagesOf, storeRound } from "../../bench/support/results.ts";
import { ResultsConsumer } from "../../src/ingest/consumer.ts";
import { ingestBatch } from "../../src/ingest/ingest_batch.ts";
import { createLogger } from "../../src/log.ts";
import { rows, value } from "../support/builders.ts";
import { rolledBack, type TestDatabase, testDatabase } from "../support/database.ts";
import { openTopics } from "../support/kafka.ts";
import { until } from "../support/until.ts";
import { counting, type Work, workOf } from "../support/work.ts";

const small = testDatabase();
const large = testDatabase();
const bytes = 2_000;
const atATime = 100;

let made: Promise<unknown> | undefined;

/** A fleet with one report each, and a fleet of ten times as many clusters with two each. */
function fleets(): Promise<unknown> {
  made ??= Promise.all([fill(small, 300, [-1]), fill(large, 3_000, [-2, -1])]);
  return made;
}

async function fill({ pool }: TestDatabase, clusters: number, rounds: number[]): Promise<void> {
  const client = await pool.connect();
  try {
    await addResults(client);
    for (const round of rounds) await storeRound(client, { clusters, round, bytes });
  } finally {
    client.release();
  }
}

/** The next results of the first clusters, `count` of them. */
async function nextResults({ pool }: TestDatabase, count: number): Promise<string[]> {
  const client = await pool.connect();
  try {
    const all = await Array.fromAsync(messagesOf(client, { clusters: count, round: 0, bytes }, count));
    return all.flat();
  } finally {
    client.release();
  }
}

test("what the benchmark sends is as large as it says, and all of it is stored", async () => {
  await fleets();
  const values = await nextResults(small, 300);
  const mean = values.reduce((sum, { length }) => sum + length, 0) / values.length;
  assert.ok(mean > 0.9 * bytes && mean < 1.1 * bytes, `${mean} bytes`);
  const [entries = []] = portions(values, 0, 1_000);
  // half of a message is not stored, and PostgreSQL need not read it
  const sent = entries.reduce((sum, { json }) => sum + json.length, 0) / entries.length;
  assert.ok(sent < 0.85 * mean, `${sent} of ${mean} bytes go to the database`);
  await rolledBack(small.pool, async (db) => {
    const json = `[${entries.map(({ json }) => json).join(",")}]`;
    const [counts] = await rows(db, "select stored, rejected from ingest('bench', 0, $1::jsonb)", [json]);
    assert.deepEqual(counts, { stored: 300, rejected: 0 });
    // one hit in twenty is another one
    const changed = Number(await value(db, "select count(*) from issue where closed_at is not null"));
    const all = Number(await value(db, "select count(*) from issue"));
    assert.ok(changed > 0 && changed < 0.15 * all, `${changed} of ${all} issues went`);
    assert.deepEqual(await rows(db, "select * from drift limit 3"), []);
  });
});

test("what it costs to store a batch does not depend on how much is stored", async () => {
  await fleets();
  const work: Work[] = [];
  for (const database of [small, large]) {
    const batches = portions(await nextResults(database, 2 * atATime), 0, atATime);
    await rolledBack(database.pool, async (db) => {
      for (const entries of batches)
        work.push(
          await workOf(db, "select * from ingest('bench', 0, $1::jsonb)", [
            `[${entries.map(({ json }) => json).join(",")}]`,
          ]),
        );
    });
  }
  // the first batch of each makes the day's partition, perhaps, and fills the caches
  const [, few, , many] = work;
  assert.ok(few && many);
  assert.ok(many.pages < 1.3 * few.pages, `${few.pages} pages became ${many.pages}`);
  // 31.5 when every report was read
  assert.ok(many.pages < 30 * atATime, `${many.pages / atATime} pages for each report`);
  const { rule: _, ...whole } = many.scanned;
  for (const [table, count] of Object.entries(whole))
    assert.ok(count <= 2 * atATime, `${count} rows of ${table} were read from end to end`);
});

test("a report with the hits of the one before it costs its rows, and no look at rules and issues", async () => {
  await fleets();
  const [entries = []] = portions(await nextResults(large, atATime), 0, atATime);
  const batch = entries.map(({ json }) => json);
  const store = (reports: string[]): [string, string[]] => [
    "select * from ingest('bench', 0, $1::jsonb)",
    [`[${reports.join(",")}]`],
  ];
  await rolledBack(large.pool, async (db) => {
    const looks = async () =>
      Number(
        await value(
          db,
          `select sum(coalesce(seq_scan, 0) + coalesce(idx_scan, 0))
           from pg_stat_xact_user_tables where relname in ('issue', 'occurrence', 'rule')`,
        ),
      );
    await workOf(db, ...store(batch));
    const before = await looks();
    assert.ok(before > 0, "some hits are new");
    // as text: JavaScript would round the hash
    const later = batch.map((json) =>
      json
        .replace(
          /"updated_at":"([^"]+)"/,
          (_, at) => `"updated_at":"${new Date(Date.parse(at) + 1_000).toISOString()}"`,
        )
        .replace(/"kafka_offset":(\d+)/, (_, offset) => `"kafka_offset":${Number(offset) + atATime}`),
    );
    const work = await workOf(db, ...store(later));
    assert.equal(await looks(), before);
    assert.ok(work.pages < 25 * atATime, `${work.pages / atATime} pages for each report`);
    const same = "select count(*)::integer from latest_report where has_same_hits and received_at = now()";
    assert.equal(await value(db, same), atATime);
  });
});

test("a batch is one statement, and no message has a round trip of its own", async () => {
  await fleets();
  const messages = 2_500;
  const values = await nextResults(large, messages);
  const { pool, statements } = counting(large.pool);
  const position = { topic: "bench", partition: 0, highWatermark: "1000" };
  const [entries = []] = portions(values.slice(0, 1_000), 0, 1_000);
  await ingestBatch(pool, position, entries);
  assert.equal(statements.length, 1);

  statements.length = 0;
  await using topics = await openTopics();
  await topics.produce(values);
  const consumer = new ResultsConsumer({
    kafka: new kafkajs.Kafka({ brokers: topics.brokers.split(","), logLevel: kafkajs.logLevel.NOTHING }),
    pool,
    log: createLogger("silent"),
    topic: topics.results,
    group: topics.group,
    batchSize: 1_000,
  });
  try {
    await consumer.start(new AbortController().signal);
    const next = "select next_offset from consumer_offset where topic = $1";
    await until(
      "all are stored",
      async () => Number(await value(large.pool, next, [topics.results])) === messages,
    );
  } finally {
    await consumer.stop();
  }
  const calls = statements.filter((text) => / ccx\.ingest\(/.test(text)).length;
  // the broker may cut what it hands over anywhere
  assert.ok(calls >= 3 && calls <= 8, `${calls} calls of ingest()`);
  // the partition's offset, and the database's clock once a minute
  assert.ok(statements.length - calls <= 3, `beside them: ${statements.join("\n")}`);
});
