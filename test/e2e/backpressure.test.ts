import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { aCluster, aReport } from "../support/reports.ts";
import { scenario } from "../support/scene.ts";
import { startTcpProxy } from "../support/tcp_proxy.ts";
import { until } from "../support/until.ts";

const mebibyte = 1024 * 1024;

/** A report of 8 KB, most of which is not stored. */
function aLongReport(): string {
  const message = JSON.parse(aReport(aCluster(), ["tutorial"]));
  message.Report.skips = [{ details: randomBytes(5_700).toString("base64") }];
  return JSON.stringify(message);
}

scenario(
  "a consumer whose database is away takes in a few fetches and no more, whatever waits on the topic",
  { partitions: 4 },
  async (scene) => {
    const url = new URL(scene.databaseUrl);
    await using proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
    url.port = String(proxy.port);
    const consumer = scene.start("consume", { env: { DATABASE_URL: url.href } });
    await consumer.says("running");
    await scene.topics.produce([aLongReport()]);
    await scene.consumed(1);
    const before = await consumer.peakMemory();

    await proxy.refuse();
    const perPartition = 3_000;
    for (let partition = 0; partition < 4; partition++)
      for (let sent = 0; sent < perPartition; sent += 500)
        await scene.topics.produce(Array.from({ length: 500 }, aLongReport), { partition });
    const away = "database is away, nothing is lost, trying again";
    await consumer.says(away, 6); // six tries take some eight seconds, in which it could fetch everything
    const grown = (await consumer.peakMemory()) - before;
    assert.ok(grown < 64 * mebibyte, `${Math.round(grown / mebibyte)} MiB for 96 MB on the topic`);
    assert.equal(await scene.topics.committed(), 1);
    assert.equal((await scene.topics.members()).length, 1, "it keeps its place in the group");

    await proxy.heal();
    await scene.consumed(1 + 4 * perPartition);
    await until("Kafka knows", async () => (await scene.topics.committed()) === 1 + 4 * perPartition);
    await consumer.stop();
  },
);
