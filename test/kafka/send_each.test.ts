import assert from "node:assert/strict";
import { test } from "node:test";
import kafkajs, { type ProducerRecord, type RecordMetadata } from "kafkajs";
import { buildNotificationMessage } from "../../src/deliver/notifications_backend/message.ts";
import { NotConnected } from "../../src/kafka/producer.ts";
import { type RecordProducer, sendEach } from "../../src/kafka/send_each.ts";
import { aRow } from "../deliver/rows.ts";

const topic = "platform.notifications.ingress";
const urls = { clusterUrl: "https://example.com/{cluster_id}", ruleUrl: "https://example.com/{error_key}" };

function messages(count: number, description = "text") {
  const message = buildNotificationMessage(aRow({}, { description }), urls);
  return new Map(
    Array.from({ length: count }, (_, index) => [String(index), { ...message, key: String(index) }]),
  );
}

function protocolError(type: string): Error {
  return new kafkajs.KafkaJSProtocolError(Object.assign(new Error(`server says ${type}`), { type, code: 1 }));
}

const place = (baseOffset: string, partition = 0): RecordMetadata => {
  return { topicName: topic, partition, errorCode: 0, baseOffset };
};

/** Plays the broker: answers each send by `answer`, and remembers what was sent. */
function fakeProducer(answer: (record: ProducerRecord, nth: number) => RecordMetadata[] | Error) {
  const sent: ProducerRecord[] = [];
  const producer: RecordProducer = {
    async send(record) {
      sent.push(record);
      const result = answer(record, sent.length);
      if (result instanceof Error) throw result;
      return result;
    },
  };
  return { producer, sent };
}

test("a batch is one request that all replicas acknowledge", async () => {
  const { producer, sent } = fakeProducer(() => [place("7", 2)]);
  const results = await sendEach(producer, topic, messages(3));
  assert.equal(sent.length, 1);
  assert.deepEqual([sent[0]?.topic, sent[0]?.acks, sent[0]?.messages.length], [topic, -1, 3]);
  assert.deepEqual(
    [...results],
    [
      ["0", { ok: true, partition: 2, offset: "7" }],
      ["1", { ok: true, partition: 2, offset: "8" }],
      ["2", { ok: true, partition: 2, offset: "9" }],
    ],
  );
});

test("an offset that the answer does not tell stays unknown", async () => {
  const several = fakeProducer(() => [place("7", 0), place("1", 1)]);
  const unknown = fakeProducer(() => [place("-1")]);
  assert.deepEqual(
    [...(await sendEach(several.producer, topic, messages(2))).values()],
    [
      { ok: true, partition: null, offset: null },
      { ok: true, partition: null, offset: null },
    ],
  );
  assert.deepEqual((await sendEach(unknown.producer, topic, messages(1))).get("0"), {
    ok: true,
    partition: 0,
    offset: null,
  });
});

test("nothing to send is no request", async () => {
  const { producer, sent } = fakeProducer(() => []);
  assert.equal((await sendEach(producer, topic, new Map())).size, 0);
  assert.equal(sent.length, 0);
});

test("more than 500 messages or 768 KiB go in several requests", async () => {
  const many = fakeProducer(() => [place("0")]);
  await sendEach(many.producer, topic, messages(1001));
  assert.deepEqual(
    many.sent.map((record) => record.messages.length),
    [500, 500, 1],
  );
  const big = fakeProducer(() => [place("0")]);
  const results = await sendEach(big.producer, topic, messages(5, "x".repeat(300 * 1024)));
  assert.deepEqual(
    big.sent.map((record) => record.messages.length),
    [2, 2, 1],
  );
  assert.equal(results.size, 5);
});

test("a message the broker refuses fails alone and for good", async () => {
  for (const [type, reason] of [
    ["MESSAGE_TOO_LARGE", "client"],
    ["INVALID_RECORD", "schema"],
  ] as const) {
    const { producer, sent } = fakeProducer(({ messages }) =>
      messages.some(({ key }) => key === "1") ? protocolError(type) : [place("5")],
    );
    const results = await sendEach(producer, topic, messages(3));
    assert.equal(sent.length, 4, "the batch, then one by one");
    assert.deepEqual(
      [...results.values()].map(({ ok }) => ok),
      [true, false, true],
    );
    const refused = results.get("1");
    assert.ok(refused?.ok === false);
    assert.deepEqual([refused.error.reason, refused.error.permanent], [reason, true]);
  }
});

test("a broker that is away fails all, to be tried again, without being asked for each", async () => {
  const wrapped = new kafkajs.KafkaJSNumberOfRetriesExceeded(new kafkajs.KafkaJSConnectionError("gone"), {
    retryCount: 5,
    retryTime: 1,
  });
  for (const error of [wrapped, protocolError("NOT_ENOUGH_REPLICAS"), new Error("unknown")]) {
    const { producer, sent } = fakeProducer(() => error);
    const results = await sendEach(producer, topic, messages(700));
    assert.equal(sent.length, 1);
    assert.equal(results.size, 700);
    for (const [id, result] of results) {
      assert.ok(!result.ok && result.error.reason === "broker" && !result.error.permanent);
      assert.equal(result.tried, Number(id) < 500, "the second request was never made");
    }
  }
});

/** As kafkajs rejects when it cannot write a message down. */
const unwritable = () =>
  Object.assign(new kafkajs.KafkaJSNonRetriableError("not a string or a Buffer"), { cause: new TypeError() });

test("a message that kafkajs cannot write down fails alone and for good, the others go out", async () => {
  const { producer, sent } = fakeProducer(({ messages }) =>
    messages.some(({ key }) => key === "1" || key === "600") ? unwritable() : [place("5")],
  );
  const results = await sendEach(producer, topic, messages(700));
  assert.equal(sent.length, 1 + 500 + 1 + 200, "the requests, then one by one");
  const failed = [...results].flatMap(([id, result]) => (result.ok ? [] : [[id, result.error] as const]));
  assert.deepEqual(
    failed.map(([id, { reason, permanent }]) => [id, reason, permanent]),
    [
      ["1", "schema", true],
      ["600", "schema", true],
    ],
  );
  assert.equal(results.size, 700);
});

test("what kafkajs stumbles over once is not held against the message", async () => {
  for (const count of [1, 3]) {
    const { producer } = fakeProducer((_, nth) => (nth === 1 ? new TypeError("of its own") : [place("0")]));
    const results = await sendEach(producer, topic, messages(count));
    assert.deepEqual(
      [...results.values()].map(({ ok }) => ok),
      Array(count).fill(true),
    );
  }
});

test("a connection that cannot be made is no message's fault", async () => {
  for (const error of [
    new NotConnected("no such certificate", { cause: new TypeError("no such certificate") }),
    new NotConnected("The producer is disconnected."),
  ]) {
    const { producer, sent } = fakeProducer(() => error);
    const results = await sendEach(producer, topic, messages(3));
    assert.equal(sent.length, 1);
    for (const result of results.values())
      assert.ok(!result.ok && result.error.reason === "broker" && !result.error.permanent);
  }
});

test("a broker that goes away between single messages fails the rest, not what was stored", async () => {
  const { producer, sent } = fakeProducer((_, nth) =>
    nth === 1 ? protocolError("MESSAGE_TOO_LARGE") : nth === 2 ? [place("0")] : new Error("gone"),
  );
  const results = await sendEach(producer, topic, messages(4));
  assert.equal(sent.length, 3);
  assert.deepEqual(
    [...results.values()].map((result) => (result.ok ? "ok" : `${result.error.reason} ${result.tried}`)),
    ["ok", "broker true", "broker false", "broker false"],
  );
});

test("a fault wrapped by kafkajs is still recognised", async () => {
  const wrapped = new Error("outer", { cause: protocolError("MESSAGE_TOO_LARGE") });
  const { producer } = fakeProducer(() => wrapped);
  const result = (await sendEach(producer, topic, messages(1))).get("0");
  assert.ok(result?.ok === false && result.error.reason === "client" && result.error.permanent);
});
