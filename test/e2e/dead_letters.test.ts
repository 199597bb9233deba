import assert from "node:assert/strict";
import { mock } from "node:test";
import kafkajs, { type KafkaMessage } from "kafkajs";
import { createProducer } from "../../src/kafka/producer.ts";
import { sendEach } from "../../src/kafka/send_each.ts";
import { aCluster, aReport } from "../support/reports.ts";
import { type Scene, scenario } from "../support/scene.ts";
import { until } from "../support/until.ts";

/** A topic for dead letters that takes at most 20,000 bytes at a time, and what is on it. */
async function openDeadLetters(scene: Scene) {
  const kafka = new kafkajs.Kafka({
    brokers: scene.topics.brokers.split(","),
    logLevel: kafkajs.logLevel.NOTHING,
  });
  const topic = `dead.${scene.topics.results}`;
  const admin = kafka.admin();
  const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  const consumer = kafka.consumer({ groupId: topic, maxWaitTimeInMs: 100 });
  const messages: KafkaMessage[] = [];
  await Promise.all([admin.connect(), producer.connect(), consumer.connect()]);
  const create = () =>
    admin.createTopics({
      topics: [{ topic, numPartitions: 1, configEntries: [{ name: "max.message.bytes", value: "20000" }] }],
      waitForLeaders: true,
    });
  return {
    topic,
    producer,
    messages,
    create,
    async listen() {
      await consumer.subscribe({ topic, fromBeginning: true });
      await consumer.run({ eachMessage: async ({ message }) => void messages.push(message) });
    },
    async [Symbol.asyncDispose]() {
      await consumer.disconnect();
      await admin.deleteTopics({ topics: [topic] }).catch(() => undefined);
      await admin.deleteGroups([topic]).catch(() => undefined);
      await Promise.all([admin.disconnect(), producer.disconnect()]);
    },
  };
}

/**
 * Has a producer of kafkajs write headers without a value, which it can but for a size that it takes of them.
 */
async function withNullHeaders(send: () => Promise<unknown>): Promise<void> {
  const { byteLength } = Buffer;
  const patched = mock.method(Buffer, "byteLength", (value: string) => byteLength(value ?? ""));
  try {
    await send();
  } finally {
    patched.mock.restore();
  }
}

const text = (value: unknown) => String([value].flat().at(-1));

scenario(
  "what is rejected also goes to the dead-letter topic as it came, with the reason",
  {},
  async (scene) => {
    await using dead = await openDeadLetters(scene);
    await dead.create();
    const headers = { a: [Buffer.from([0, 0xff]), Buffer.from("two")], "ccx-rejected-reason": "theirs" };
    const none = null as unknown as Buffer;
    await withNullHeaders(() =>
      dead.producer.send({
        topic: scene.topics.results,
        messages: [
          { key: Buffer.from([0xff, 0]), value: Buffer.from([0x7b, 0xff, 0]), headers },
          { value: null, headers: { a: none, b: [Buffer.from("x"), none, ""], c: "" } },
          { value: aReport(aCluster(), ["bug"]) },
          { value: "x".repeat(30_000) },
          { value: "[]" },
        ],
      }),
    );
    const service = scene.start("run", { env: { CCX_DEAD_LETTER_TOPIC: dead.topic } });
    await scene.consumed(5);
    await until(
      "all are done",
      async () =>
        (await scene.value("select count(*) from rejected_message where dead_letter_due_at is not null")) ===
        "0",
    );
    const states = await scene.rows(
      "select kafka_offset, dead_lettered_at is not null as sent, dead_letter_error as error from rejected_message order by id",
    );
    assert.deepEqual(states, [
      { kafka_offset: "0", sent: true, error: null },
      { kafka_offset: "1", sent: true, error: null },
      { kafka_offset: "3", sent: false, error: "Kafka refused the message (MESSAGE_TOO_LARGE)." },
      { kafka_offset: "4", sent: true, error: null },
    ]);

    await dead.listen();
    await until("they are on the topic", () => dead.messages.length >= 3);
    const [first, tombstone, array] = dead.messages;
    assert.deepEqual(first?.value, Buffer.from([0x7b, 0xff, 0]));
    assert.deepEqual(first?.key, Buffer.from([0xff, 0]));
    assert.deepEqual(first?.headers?.a, [Buffer.from([0, 0xff]), Buffer.from("two")]);
    assert.deepEqual([first?.headers?.["ccx-rejected-reason"]].flat().map(String), [
      "theirs",
      "invalid_utf8",
    ]);
    assert.equal(first?.headers?.["ccx-rejected-null-headers"], undefined);
    assert.equal(tombstone?.value, null);
    const { a, b, c } = tombstone?.headers ?? {};
    assert.deepEqual(
      [[a], b, [c]].map((values) => [values].flat().map(String)),
      [[""], ["x", "", ""], [""]],
    );
    assert.equal(text(tombstone?.headers?.["ccx-rejected-null-headers"]), '{"a":[0],"b":[1]}');
    const ours = Object.entries(array?.headers ?? {}).map(([name, value]) => [
      name.replace("ccx-rejected-", ""),
      text(value),
    ]);
    const { time, ...rest } = Object.fromEntries(ours);
    assert.deepEqual(rest, {
      ...{ reason: "not_object", detail: "The message is JSON, but not an object." },
      ...{ topic: scene.topics.results, partition: "0", offset: "4" },
    });
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 120_000);
    assert.equal(dead.messages.length, 3);
    await scene.topics.received.take(1);
    await service.stop();
  },
);

scenario("a message that kafkajs cannot write down takes no other with it", {}, async (scene) => {
  await using dead = await openDeadLetters(scene);
  await dead.create();
  const kafka = new kafkajs.Kafka({
    brokers: scene.topics.brokers.split(","),
    logLevel: kafkajs.logLevel.NOTHING,
  });
  const producer = createProducer(kafka);
  try {
    const messages = ["a", "b", "c"].map((value) => ({
      value,
      headers: { of: value === "b" ? (null as unknown as Buffer) : value },
    }));
    const results = await sendEach(producer, dead.topic, new Map(messages.map((m) => [m.value, m])));
    const [a, b, c] = results.values();
    assert.ok(a?.ok && c?.ok);
    assert.ok(b?.ok === false && b.error.permanent && b.error.reason === "schema");
  } finally {
    await producer.disconnect();
  }
  await dead.listen();
  await until("the others are on the topic", () => dead.messages.length >= 2);
  assert.deepEqual(
    dead.messages.map(({ value }) => String(value)),
    ["a", "c"],
  );
});

scenario(
  "without the topic nothing is lost: the messages wait, and go there when it is",
  {},
  async (scene) => {
    await using dead = await openDeadLetters(scene);
    await scene.topics.produce(["{", "["]);
    const without = scene.start("run");
    await scene.consumed(2);
    await without.stop();
    assert.equal(
      await scene.value("select count(*) from rejected_message where dead_letter_due_at is not null"),
      "2",
    );

    const service = scene.start("run", { env: { CCX_DEAD_LETTER_TOPIC: dead.topic } });
    await service.says("rejected messages cannot be forwarded yet, trying again");
    assert.equal(
      await scene.value("select count(*) from rejected_message where dead_letter_due_at > now()"),
      "2",
      "after the lease",
    );
    await dead.create();
    await scene.pool.query(
      "update rejected_message set dead_letter_due_at = now(); select wake_dead_letters()",
    );
    await service.says("rejected messages forwarded");
    await dead.listen();
    await until("they are on the topic", () => dead.messages.length >= 2);
    assert.deepEqual(
      dead.messages.map(({ value }) => String(value)),
      ["{", "["],
    );
    await service.stop();
  },
);
