import assert from "node:assert/strict";
import { aCluster, aReport } from "../support/reports.ts";
import { type Scene, scenario } from "../support/scene.ts";

const ahead = "Kafka is ahead of the database, reading again from where the database is";
const gone = "messages that the database does not have are gone from Kafka";

/**
 * Reports of this many new clusters, consumed by a service that is stopped then: Kafka knows how far it came.
 */
async function consume(scene: Scene, count: number): Promise<string[]> {
  const clusters = await produce(scene, count);
  const service = scene.start("consume");
  await scene.consumed(count);
  await service.stop();
  assert.equal(await scene.topics.committed(), count);
  return clusters;
}

async function produce(scene: Scene, count: number): Promise<string[]> {
  const clusters = Array.from({ length: count }, aCluster);
  await scene.topics.produce(clusters.map((cluster) => aReport(cluster, ["tutorial"])));
  return clusters;
}

/** The clusters of what is stored, in the order of the topic. */
async function stored(scene: Scene): Promise<unknown[]> {
  const rows = await scene.rows("select cluster from new_reports order by kafka_offset");
  return rows.map(({ cluster }) => cluster);
}

/**
 * What was notified of positions: from where on the messages came, and from where on they were expected. It
 * may be notified twice: when the partition is assigned, and with a batch that was on its way already.
 */
const positions = ({ level, first, expected }: Record<string, unknown>) => ({ level, first, expected });

scenario("after the database was restored, what it lost is read again", {}, async (scene) => {
  const before = await consume(scene, 10);
  await scene.pool.query("update consumer_offset set next_offset = 4");
  await scene.pool.query("delete from new_reports where kafka_offset >= 4");

  const behind = await produce(scene, 2);
  const service = scene.start("consume");
  await scene.consumed(12);
  assert.deepEqual(await stored(scene), [...before, ...behind]);
  assert.deepEqual(service.said(ahead).map(positions)[0], { level: "warn", first: "10", expected: "4" });
  assert.deepEqual(service.said(gone), []);
  assert.deepEqual(await service.ingestedAll(8), {
    stored: 8,
    replaced: 0,
    unchanged: 0,
    rejected: 0,
    skipped: 0,
  });
  await service.stop();
  assert.equal(await scene.topics.committed(), 12);
});

scenario("what a restored database lost is read again although nothing new comes in", {}, async (scene) => {
  const before = await consume(scene, 10);
  await scene.pool.query("update consumer_offset set next_offset = 4");
  await scene.pool.query("delete from new_reports where kafka_offset >= 4");
  const service = scene.start("consume");
  await scene.consumed(10);
  assert.deepEqual(await stored(scene), before);
  assert.deepEqual(service.said(ahead).map(positions)[0], { level: "warn", first: "10", expected: "4" });
  await service.stop();
});

scenario(
  "a new database gets all there is, although its consumers' group had it before",
  {},
  async (scene) => {
    const before = await consume(scene, 10);
    await scene.pool.query("delete from consumer_offset");
    await scene.pool.query("delete from new_reports");

    const behind = await produce(scene, 1);
    const service = scene.start("consume");
    await scene.consumed(11);
    assert.deepEqual(await stored(scene), [...before, ...behind]);
    assert.deepEqual(service.said(ahead).map(positions)[0], { level: "warn", first: "10", expected: "0" });
    assert.deepEqual(service.said(gone), []);
    await service.stop();
  },
);

scenario(
  "messages that Kafka has dropped are logged as an error, and what is left is stored",
  {},
  async (scene) => {
    const before = await consume(scene, 4);
    const behind = await produce(scene, 6);
    await scene.topics.dropBefore(7);
    const service = scene.start("consume");
    await scene.consumed(10);
    assert.deepEqual(await stored(scene), [...before, ...behind.slice(3)]);
    assert.deepEqual(service.said(gone).map(positions), [{ level: "error", first: "7", expected: "4" }]);
    await service.stop();

    // Once is enough: what comes then is expected.
    await produce(scene, 1);
    const next = scene.start("consume");
    await scene.consumed(11);
    await next.stop();
    assert.deepEqual([...next.said(ahead), ...next.said(gone)], []);
  },
);
