import assert from "node:assert/strict";
import type { Behaviour } from "../../dev/stack/service_log_receiver.ts";
import { aCluster, aReport } from "../support/reports.ts";
import { type Scene, scenario } from "../support/scene.ts";
import type { Service } from "../support/service.ts";
import { until } from "../support/until.ts";

const only = { serviceLog: true };

/** Reports of clusters with one issue each for the Service Log alone; then so many workers. */
async function work(scene: Scene, clusters: number, workers: number, ...behaviours: Behaviour[]) {
  await scene.pool.query(`select set_policy('notifications backend', '{"enabled": false}', 'for the test')`);
  scene.receiver.behave(...behaviours);
  const names = Array.from({ length: clusters }, aCluster);
  await scene.topics.produce(names.map((cluster) => aReport(cluster, ["bug"])));
  const consumer = scene.start("consume");
  await scene.consumed(clusters);
  await consumer.stop();
  const env = { CCX_SERVICE_LOG_CONCURRENCY: "2" };
  return { names, workers: Array.from({ length: workers }, () => scene.start("work", { env })) };
}

const times = (workers: Service[], msg: string) =>
  workers.flatMap((worker) => worker.said(msg)).map(({ time }) => Date.parse(String(time)));

const toldOf = (scene: Scene) => scene.receiver.entries.map(({ body }) => body.cluster_uuid).sort();

scenario(
  "two workers leave a Service Log alone that is down, and tell each issue once when it is back",
  only,
  async (scene) => {
    const { names, workers } = await work(scene, 20, 2, ...Array<Behaviour>(9).fill({ status: 503 }));
    await until("the circuit is open", () => times(workers, "circuit opened").length > 0);
    await scene.quiet();
    assert.deepEqual(toldOf(scene), names.sort());
    assert.equal(times(workers, "circuit opened").length, 1, "by one of them, once");
    assert.equal(times(workers, "circuit closed").length, 1);
    assert.equal(scene.receiver.requests.posts, 29, "nine that failed and one for each issue");
    assert.equal(await scene.value("select sum(attempts)::integer from notification"), 29);
    assert.equal(
      await scene.value("select state from delivery_circuit where target = 'service log'"),
      "closed",
    );
  },
);

scenario("a Service Log that asks for three seconds gets them, from all workers", only, async (scene) => {
  const { names, workers } = await work(scene, 8, 2, { status: 429, headers: { "retry-after": "3" } });
  await scene.quiet();
  assert.deepEqual(toldOf(scene), names.sort());
  const [[opened = 0, ...more], [closed = 0]] = [
    times(workers, "circuit opened"),
    times(workers, "circuit closed"),
  ];
  assert.deepEqual(more, []);
  // up to three were under way beside it
  const between = scene.receiver.entries.filter(({ receivedAt }) => {
    const at = receivedAt.getTime();
    return at > opened + 500 && at < opened + 2900;
  });
  assert.deepEqual(between, []);
  assert.ok(closed - opened >= 2900, `${closed - opened} ms`);
  assert.equal(scene.receiver.requests.posts, 9);
});
