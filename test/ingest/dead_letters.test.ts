import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { Message, ProducerRecord } from "kafkajs";
import { loadConfig } from "../../src/config/config.ts";
import { forwardRejected } from "../../src/ingest/dead_letters.ts";
import { retryRejected } from "../../src/ingest/retry.ts";
import { createLogger } from "../../src/log.ts";
import { aRejected, ingest, rows, value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { aCluster, aReport } from "../support/reports.ts";

const database = testDatabase();
const log = createLogger("silent");
const at = "2026-03-01T12:00:00Z";
const bytes = (text: string) => Buffer.from(text).toString("base64");

beforeEach(() =>
  database.pool
    .query("truncate rejected_message, new_reports, consumer_offset restart identity")
    .then(() => undefined),
);

/** A producer that fails as notified, and keeps what it was given otherwise. */
function aProducer(...failures: (Error | undefined)[]) {
  const sent: Message[] = [];
  return {
    sent,
    send: async ({ messages }: ProducerRecord) => {
      const failure = failures.shift();
      if (failure) throw failure;
      sent.push(...messages);
      return [];
    },
  };
}

const given = (...values: string[]) =>
  ingest(
    database.pool,
    values.map((text, nth) => ({ ...aRejected(nth, "not_json"), value: bytes(text) })),
    { at },
  );
const due = () =>
  value(database.pool, "select count(*)::integer from rejected_message where dead_letter_due_at <= now()");
const leaseEnds = () =>
  database.pool.query(
    "update rejected_message set dead_letter_due_at = now() where dead_letter_due_at is not null",
  );
const forward = (producer: ReturnType<typeof aProducer>) =>
  forwardRejected(database.pool, { topic: "dead", producer }, log);

test("a broker that fails leaves the messages to be sent again after the lease", async () => {
  await given("a", "b");
  const producer = aProducer(new Error("away"));
  await forward(producer);
  await forward(producer);
  assert.deepEqual([producer.sent.length, await due()], [0, 0], "not before the lease has ended");
  await leaseEnds();
  await forward(producer);
  assert.deepEqual(
    producer.sent.map((message) => String(message.value)),
    ["a", "b"],
  );
  await leaseEnds();
  await forward(producer);
  assert.equal(producer.sent.length, 2, "each once");
});

test("what was sent and not recorded goes out again", async () => {
  await given("a");
  const producer = aProducer();
  await rows(database.pool, "select * from claim_dead_letters(10, 1000, '1 minute')"); // and then it was killed
  await forward(producer);
  assert.equal(producer.sent.length, 0);
  await leaseEnds();
  await forward(producer);
  assert.equal(producer.sent.length, 1);
});

test("a message that the topic refuses takes no other down with it, and is not tried for ever", async () => {
  await given("a", "b", "c");
  const refused = () => Object.assign(new Error("no"), { type: "MESSAGE_TOO_LARGE" });
  const producer = aProducer(refused(), undefined, refused(), undefined);
  await forward(producer);
  assert.deepEqual(
    producer.sent.map((message) => String(message.value)),
    ["a", "c"],
  );
  assert.deepEqual(
    await rows(
      database.pool,
      "select dead_letter_error, dead_letter_due_at from rejected_message where kafka_offset = 1",
    ),
    [{ dead_letter_error: "Kafka refused the message (MESSAGE_TOO_LARGE).", dead_letter_due_at: null }],
  );
});

test("of two at once each takes what the other has not, and no more bytes than it may", async () => {
  await given("a", "bb", "ccc");
  const claim = async (most: number) =>
    (await rows(database.pool, "select id::integer from claim_dead_letters(10, $1, '1 minute')", [most])).map(
      ({ id }) => id,
    );
  assert.deepEqual(await claim(2), [1], "a and bb are three bytes");
  assert.deepEqual(await claim(1), [2], "one at least");
  assert.deepEqual(await claim(100), [3]);
  assert.deepEqual(await claim(100), []);
});

test("what a retry has stored before does not go there, what it rejects again does", async () => {
  await given(aReport(aCluster(), ["bug"]), "x");
  await retryRejected(database.pool, {});
  const producer = aProducer();
  await forward(producer);
  assert.deepEqual(
    producer.sent.map((message) => String(message.value)),
    ["x"],
  );
});

test("the topic is none that we read or tell on", () => {
  for (const topic of ["ccx.ocp.results", "platform.notifications.ingress"])
    assert.throws(
      () => loadConfig({ env: { CCX_DEAD_LETTER_TOPIC: topic } }),
      /^ConfigurationError: CCX_DEAD_LETTER_TOPIC has to be another topic than/,
    );
  assert.equal(loadConfig({ env: { CCX_DEAD_LETTER_TOPIC: "dead" } }).deadLetterTopic, "dead");
});
