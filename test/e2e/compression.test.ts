import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import kafkajs from "kafkajs";
import { registerCodecs } from "../../src/kafka/codecs.ts";
import { aCluster, aReport } from "../support/reports.ts";
import { scenario } from "../support/scene.ts";

registerCodecs(); // for the producer of the test
const { GZIP, Snappy, LZ4, ZSTD } = kafkajs.CompressionTypes;

scenario("values that are gzip, and all of Kafka's codecs, are consumed", {}, async (scene) => {
  const { topics } = scene;
  const clusters: string[] = [];
  const next = () => {
    const cluster = aCluster();
    clusters.push(cluster);
    return aReport(cluster, ["bug", "proxy"]);
  };
  await topics.produce([gzipSync(next()), next(), gzipSync(next())]);
  for (const compression of [GZIP, Snappy, LZ4, ZSTD]) {
    await topics.produce([next(), gzipSync(next()), next()], { compression });
  }
  const service = scene.start("consume");
  await scene.consumed(clusters.length);
  const stored = await scene.rows("select cluster from new_reports order by kafka_offset");
  assert.deepEqual(
    stored.map(({ cluster }) => cluster),
    clusters,
  );
  assert.equal(await scene.value("select count(distinct report)::integer from new_reports"), 1);
  await service.stop();
});
