import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import kafkajs, { type ProducerRecord } from "kafkajs";
import { type Behaviour, startServiceLogReceiver } from "../../dev/stack/service_log_receiver.ts";
import { ContentTexts } from "../../src/content/render/texts.ts";
import { deliverDue } from "../../src/deliver/deliver_due.ts";
import { NotificationsBackend } from "../../src/deliver/notifications_backend/target.ts";
import { failure } from "../../src/deliver/outbox.ts";
import { AccessTokenSource } from "../../src/deliver/service_log/access_token.ts";
import { ServiceLogClient } from "../../src/deliver/service_log/client.ts";
import { ServiceLogTarget } from "../../src/deliver/service_log/target.ts";
import type { Target } from "../../src/deliver/target.ts";
import { createProducer, type MessageProducer } from "../../src/kafka/producer.ts";
import { createLogger } from "../../src/log.ts";
import {
  aCluster,
  loadContent,
  notificationsBackend,
  reportAndDecide,
  rows,
  serviceLog,
  setPolicy,
  someContent,
  value,
} from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { openTopics } from "../support/kafka.ts";

const database = testDatabase();
const lines: Record<string, unknown>[] = [];
const log = createLogger("info", { write: (line) => void lines.push(JSON.parse(line)) });
const urls = {
  clusterUrl: "https://example.com/{cluster_id}",
  ruleUrl: "https://example.com/?first={module}|{error_key}",
};
let texts: ContentTexts | undefined;
after(() => texts?.dispose());

/** One round of the delivery task. */
async function deliver(target: Target): Promise<void> {
  texts ??= await ContentTexts.create(database.pool, log);
  await deliverDue(target, database.pool, texts, log);
}

beforeEach(async () => {
  lines.length = 0;
  await database.pool.query(
    `truncate new_reports, latest_report, issue, occurrence, render_failure, decision_due, decision_request, notification,
       notified_issue, reported;
     delete from graphile_worker._private_jobs;
     update circuit set failures = 0, failed_messages = '{}', opened_at = null, retry_at = null, probe_until = null, failed_probes = 0`,
  );
});

/** So many clusters are to be notified through this target alone; returns them. */
async function messagesFor(target: string, count: number): Promise<string[]> {
  const now = new Date().toISOString();
  await setPolicy(database.pool, notificationsBackend, { enabled: target === notificationsBackend }, now);
  await setPolicy(database.pool, serviceLog, { enabled: target === serviceLog, required_tags: [] }, now);
  await loadContent(database.pool, ["disk"]);
  const clusters = Array.from({ length: count }, aCluster);
  for (const cluster of clusters)
    await reportAndDecide(database.pool, cluster, new Date().toISOString(), ["disk"]);
  return clusters;
}

/** Delivers until nothing waits, as if every back-off had passed. */
async function deliverAll(target: Target): Promise<void> {
  for (let rounds = 1; ; rounds++) {
    await deliver(target);
    if (
      (await value(database.pool, "select count(*)::integer from notification where state = 'pending'")) === 0
    )
      return;
    assert.ok(rounds < 50, "it does not end");
    await database.pool.query("update notification set next_attempt_at = now() where state = 'pending'");
    await database.pool.query("update circuit set retry_at = now() where opened_at is not null");
  }
}

async function serviceLogScene(concurrency: number) {
  const receiver = await startServiceLogReceiver();
  const limits = { connectTimeoutMs: 1000, timeoutMs: 300, maxResponseBytes: 64 * 1024 };
  const tokens = new AccessTokenSource({
    ...limits,
    timeoutMs: 2000,
    tokenUrl: receiver.tokenUrl,
    clientId: "ccx",
    clientSecret: "not-a-secret",
  });
  const client = new ServiceLogClient({ ...limits, url: receiver.url, tokens });
  const entry = { ruleUrl: urls.ruleUrl, createdBy: "someone", username: "insights-advisor" };
  const target = new ServiceLogTarget({ client, tokens, entry, concurrency, timeoutMs: 300 });
  return {
    receiver,
    target,
    async [Symbol.asyncDispose]() {
      await receiver.stop();
      await target.close();
    },
  };
}

const sick: [name: string, ...behaviours: Behaviour[]][] = [
  ["answers 500 seven times", ...Array<Behaviour>(7).fill({ status: 500 })],
  ["drops seven connections", ...Array<Behaviour>(7).fill("drop")],
  ["stores, and never says so", "store-and-hang", "store-and-drop", "half-body", "store-and-drop"],
  ["asks for time", { status: 429, headers: { "retry-after": "3600" } }, { status: 429 }],
  ["refuses every token", ...Array<Behaviour>(6).fill({ status: 401 })],
  [
    "hangs, fails, drops and limits",
    "hang",
    { status: 503 },
    "drop",
    { status: 429 },
    "store-and-hang",
    { status: 500 },
  ],
];
for (const [name, ...behaviours] of sick)
  for (const concurrency of [1, 4])
    test(`a Service Log that ${name} and heals gets each issue exactly once (${concurrency} at a time)`, async () => {
      await using scene = await serviceLogScene(concurrency);
      const clusters = await messagesFor(serviceLog, 6);
      scene.receiver.behave(...behaviours);
      await deliverAll(scene.target);
      assert.deepEqual(scene.receiver.entries.map(({ body }) => body.cluster_uuid).sort(), clusters.sort());
      assert.deepEqual(
        scene.receiver.entries.map(({ body }) => body.event_stream_id).sort(),
        (await rows(database.pool, "select message_id from notification order by message_id")).map(
          ({ message_id }) => message_id,
        ),
      );
      assert.deepEqual(scene.receiver.unexpected, []);
      assert.deepEqual(await rows(database.pool, "select distinct state from notification"), [
        { state: "sent" },
      ]);
      assert.deepEqual(
        await rows(database.pool, "select state from delivery_circuit where target = 'service log'"),
        [{ state: "closed" }],
      );
    });

test("a Service Log that is down gets a handful of requests, not one for each message; no attempt is spent on the others", async () => {
  await using scene = await serviceLogScene(2);
  await messagesFor(serviceLog, 40);
  scene.receiver.behave(...Array<Behaviour>(100).fill({ status: 503 }));
  await deliver(scene.target);
  assert.ok(scene.receiver.requests.posts <= 6, `${scene.receiver.requests.posts} posts`);
  for (let round = 0; round < 5; round++) {
    await database.pool.query("update circuit set retry_at = now() where opened_at is not null");
    await deliver(scene.target);
  }
  // a probe is three messages
  assert.ok(scene.receiver.requests.posts <= 6 + 5 * 3, `${scene.receiver.requests.posts} posts`);
  assert.equal(
    await value(database.pool, "select sum(attempts)::integer from notification"),
    scene.receiver.requests.posts,
    "every attempt is a request",
  );
  await scene.receiver.stop();
  await using healthy = await serviceLogScene(2);
  await deliverAll(healthy.target);
  assert.equal(healthy.receiver.entries.length, 40);
  assert.deepEqual(
    lines
      .filter(({ msg }) => String(msg).startsWith("circuit"))
      .map(({ level, msg, target, failure, error }) => [level, msg, target, failure, error]),
    [
      ["warn", "circuit opened", "service log", "server", "The Service Log answered HTTP 503: as asked"],
      ["info", "circuit closed", "service log", undefined, undefined],
    ],
  );
});

test("what nobody expected is a fault of ours: client, tried again, and no evidence about the receiver", async () => {
  const target: Target = {
    name: serviceLog,
    batchSize: 10,
    leaseMs: 60_000,
    texts: ["description"],
    format: "markdown",
    async *send(messages) {
      yield messages.map((message) => failure(message, new TypeError("x is not a function")));
    },
    close: async () => undefined,
  };
  await messagesFor(serviceLog, 6);
  await deliver(target);
  assert.deepEqual(
    await rows(database.pool, "select distinct state, failure, last_error, attempts from notification"),
    [{ state: "pending", failure: "client", last_error: "x is not a function", attempts: 1 }],
  );
  assert.deepEqual(
    await rows(database.pool, "select state, failures from delivery_circuit where target = 'service log'"),
    [{ state: "closed", failures: 0 }],
  );
});

test("a token that is refused twice is one exchange more, then auth; the next try asks for another", async () => {
  await using scene = await serviceLogScene(1);
  await messagesFor(serviceLog, 1);
  scene.receiver.behave({ status: 401 }, { status: 401 });
  await deliver(scene.target);
  assert.deepEqual(scene.receiver.requests, { posts: 2, searches: 0, tokens: 2 });
  assert.deepEqual(await rows(database.pool, "select state, failure, attempts from notification"), [
    { state: "pending", failure: "auth", attempts: 1 },
  ]);
  await deliverAll(scene.target);
  assert.equal(scene.receiver.entries.length, 1);
});

/** A producer for the real broker that fails before, or after, so many sends. */
function failing(producer: MessageProducer, times: number, when: "before" | "after") {
  let left = times;
  const sent: ProducerRecord[] = [];
  const send = async (record: ProducerRecord) => {
    sent.push(record);
    const fails = left-- > 0;
    const error = () =>
      new kafkajs.KafkaJSConnectionError("the broker is gone", { broker: "b", code: "ECONNRESET" });
    if (fails && when === "before") throw error();
    const answer = await producer.send(record);
    if (fails) throw error();
    return answer;
  };
  return { producer: { ...producer, send }, sent };
}

for (const when of ["before", "after"] as const)
  test(`a broker that fails three times ${when} it stored a batch and heals: ${when === "before" ? "each message once" : "each repetition under its old id"}`, async () => {
    await using topics = await openTopics();
    const kafka = new kafkajs.Kafka({
      brokers: topics.brokers.split(","),
      logLevel: kafkajs.logLevel.NOTHING,
    });
    const { producer, sent } = failing(createProducer(kafka), 3, when);
    const target = new NotificationsBackend(producer, topics.notifications, urls);
    const clusters = await messagesFor(notificationsBackend, 7);
    await deliverAll(target);
    await target.close();
    const received = await topics.received.takeAll();
    const ids = (await rows(database.pool, "select message_id from notification")).map(
      ({ message_id }) => message_id,
    );
    assert.deepEqual(new Set(received.map(({ id }) => id)), new Set(ids));
    assert.deepEqual([...new Set(received.map(({ cluster }) => cluster))].sort(), clusters.sort());
    const stored = when === "before" ? 7 : sent.reduce((all, { messages }) => all + messages.length, 0);
    assert.equal(received.length, stored);
    assert.deepEqual(
      sent.map(({ messages }) => messages.length),
      [7, 3, 3, 3, 4],
      "a batch, two probes that fail, one that gets through, the rest",
    );
    assert.deepEqual(await rows(database.pool, "select distinct state from notification"), [
      { state: "sent" },
    ]);
  });

test("a message that is too large for the broker's topic dies alone and at once", async () => {
  await using topics = await openTopics();
  const kafka = new kafkajs.Kafka({ brokers: topics.brokers.split(","), logLevel: kafkajs.logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  await admin.alterConfigs({
    validateOnly: false,
    resources: [
      {
        type: kafkajs.ConfigResourceTypes.TOPIC,
        name: topics.notifications,
        configEntries: [{ name: "max.message.bytes", value: "3000" }],
      },
    ],
  });
  await admin.disconnect();
  await messagesFor(notificationsBackend, 2);
  await loadContent(database.pool, [
    someContent("disk"),
    someContent("net", { description: "long ".repeat(900) }),
  ]);
  const large = aCluster();
  await reportAndDecide(database.pool, large, new Date().toISOString(), ["net"]);
  const target = new NotificationsBackend(createProducer(kafka), topics.notifications, urls);
  await deliver(target);
  await target.close();
  assert.equal((await topics.received.takeAll()).length, 2);
  assert.deepEqual(
    await rows(
      database.pool,
      "select state, failure, attempts, cluster = $1 as large from notification order by id",
      [large],
    ),
    [
      { state: "sent", failure: null, attempts: 1, large: false },
      { state: "sent", failure: null, attempts: 1, large: false },
      { state: "dead", failure: "client", attempts: 1, large: true },
    ],
  );
});
