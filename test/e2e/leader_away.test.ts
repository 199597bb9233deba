import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import kafkajs from "kafkajs";
import { sampleContent } from "../../dev/samples/content.ts";
import { startGuard } from "../../dev/stack/guard.ts";
import { startKafkaCluster } from "../../dev/stack/kafka/cluster.ts";
import { findKafka } from "../../dev/stack/kafka/install.ts";
import { loadContent } from "../../src/content/source/load.ts";
import { openDatabase } from "../support/database.ts";
import { openTopics } from "../support/kafka.ts";
import { aCluster, aReport } from "../support/reports.ts";
import { Service } from "../support/service.ts";
import { until } from "../support/until.ts";

/**
 * Three brokers in KRaft with min.insync.replicas=2, as installations run them. Of each of our topics the
 * leader of the partition is killed in the middle of the work, and comes back.
 */
test("when the leader of a partition is killed, consumer and worker go on, and nothing is lost", async (t) => {
  await using owned = new AsyncDisposableStack();
  const folder = await mkdtemp(path.join(tmpdir(), "ccx-leader-"));
  owned.defer(() => rm(folder, { recursive: true, force: true }));
  const guard = startGuard();
  owned.defer(() => guard.end());
  guard.addFolder(folder);
  const cluster = await startKafkaCluster(
    folder,
    await findKafka(folder, guard, t.diagnostic.bind(t)),
    guard,
  );
  owned.defer(() => cluster.stop());
  const kafka = new kafkajs.Kafka({
    brokers: cluster.brokers.split(","),
    logLevel: kafkajs.logLevel.NOTHING,
  });
  const admin = kafka.admin();
  await admin.connect();
  owned.defer(() => admin.disconnect());
  const { pool, url } = owned.use(await openDatabase({ poolSize: 2 }));
  await loadContent(pool, sampleContent);
  const topics = owned.use(await openTopics(1, cluster.brokers));

  const partition = async (topic: string) => {
    const { topics: found } = await admin.fetchTopicMetadata({ topics: [topic] });
    const [first] = found[0]?.partitions ?? [];
    assert.ok(first);
    return first;
  };
  const inSync = (topic: string, count: number) =>
    until(`${count} replicas of ${topic} are in sync`, () =>
      partition(topic).then(
        ({ isr }) => isr.length === count,
        () => false,
      ),
    );
  for (const topic of [topics.results, topics.notifications]) {
    await inSync(topic, 3);
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [
        { type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: ["min.insync.replicas"] },
      ],
    });
    assert.equal(resources[0]?.configEntries[0]?.configValue, "2");
  }

  const value = async (sql: string) => Object.values((await pool.query(sql)).rows[0] ?? {})[0];
  const stored = async () =>
    Number(await value("select coalesce(sum(next_offset), 0)::integer from consumer_offset"));
  const sentCount = async () =>
    Number(await value("select count(*)::integer from notification where state = 'sent'"));
  const clusters: string[] = [];
  const produce = (count: number) => {
    const some = Array.from({ length: count }, aCluster);
    clusters.push(...some);
    return topics.produce(some.map((one) => aReport(one, ["bug", "proxy"])));
  };
  await produce(100);
  const service = new Service("run", {
    DATABASE_URL: url,
    KAFKA_BROKERS: cluster.brokers,
    CCX_RESULTS_TOPIC: topics.results,
    CCX_NOTIFICATIONS_TOPIC: topics.notifications,
    CCX_CONSUMER_GROUP: topics.group,
    CCX_BATCH_SIZE: "5",
  });
  owned.defer(() => service.kill());
  const isRunning = () => assert.ok(!service.hasEnded, service.stderr);

  for (const topic of [topics.results, topics.notifications]) {
    const [before, sentBefore] = [await stored(), await sentCount()];
    await until("the work is in its middle", async () => {
      isRunning();
      return (await stored()) > before && (await sentCount()) > sentBefore;
    });
    const { leader } = await partition(topic);
    const broker = cluster.servers[leader - 1];
    assert.ok(broker);
    await broker.kill("SIGKILL");
    t.diagnostic(`broker ${leader} died with ${await stored()} of ${clusters.length} reports stored`);
    await until("another broker leads", () =>
      partition(topic).then(
        (now) => now.leader >= 0 && now.leader !== leader,
        () => false,
      ),
    );
    await produce(50);
    await until("every report is stored without that broker", async () => {
      isRunning();
      return (await stored()) === clusters.length;
    });
    await until("all is decided and sent without it", async () => {
      isRunning();
      await pool.query(
        `update notification set next_attempt_at = now()
         where state = 'pending' and next_attempt_at > now() and leased_until is null`,
      );
      await pool.query("select sweep()");
      return (await sentCount()) === clusters.length;
    });
    await broker.startAgain();
    for (const each of [topics.results, topics.notifications]) await inSync(each, 3);
    await produce(50);
  }
  await until("all is stored and sent in the end", async () => {
    isRunning();
    await pool.query("select sweep()");
    return (await stored()) === clusters.length && (await sentCount()) === clusters.length;
  });
  await until("Kafka knows", async () => (await topics.committed()) === clusters.length);
  await service.stop();

  assert.equal(await value("select count(*)::integer from new_reports"), clusters.length);
  assert.equal(await value("select count(*)::integer from rejected_message"), 0);
  const { rows: sent } = await pool.query<{ id: string; cluster: string }>(
    "select message_id::text as id, cluster from notification",
  );
  const notified = await topics.received.takeAll();
  // A message whose acknowledgement died with the leader goes out again with the same id.
  assert.deepEqual(
    new Map(notified.map(({ id, cluster: of }) => [id, of])),
    new Map(sent.map(({ id, cluster: of }) => [id, of])),
  );
  assert.deepEqual(new Set(sent.map(({ cluster: of }) => of)), new Set(clusters));
});
