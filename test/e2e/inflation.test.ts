import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { aCluster, aReport } from "../support/reports.ts";
import { scenario } from "../support/scene.ts";

const mebibyte = 1024 * 1024;

/**
 * What a real report is full of: many small objects. `info` is not stored, which keeps the database small.
 */
function aLargeReport(cluster: string, bytes: number): string {
  const { Report } = JSON.parse(aReport(cluster, ["tutorial"]));
  const element = {
    component: "ccx_rules_ocp.external.info",
    details: { nodes: [1, 2, 3], log: "x".repeat(400) },
  };
  const count = Math.ceil(bytes / JSON.stringify(element).length);
  return aReport(cluster, [], { Report: { ...Report, info: Array(count).fill(element) } });
}

scenario(
  "half a gigabyte of reports that came as two megabytes of gzip is stored without taking that much memory",
  { skip: !existsSync("/proc/self/status") && "only Linux tells how much memory a process took" },
  async (scene) => {
    const clusters = Array.from({ length: 60 }, aCluster);
    const values = clusters.map((cluster) => gzipSync(aLargeReport(cluster, 9 * mebibyte)));
    assert.ok(values.reduce((sum, { length }) => sum + length, 0) < 4 * mebibyte, "they fit into one fetch");
    await scene.topics.produce(values.slice(0, 30));
    await scene.topics.produce(values.slice(30));

    const service = scene.start("consume");
    await scene.consumed(60);
    const peak = await service.peakMemory();
    assert.ok(peak > 0 && peak < 500 * mebibyte, `${Math.round(peak / mebibyte)} MiB at its peak`);
    const stored = await scene.rows("select cluster from new_reports order by kafka_offset");
    assert.deepEqual(
      stored.map(({ cluster }) => cluster),
      clusters,
    );
    assert.deepEqual((await service.ingestedAll(60)).rejected, 0);
    await service.stop();
  },
);
