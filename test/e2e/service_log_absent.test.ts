import assert from "node:assert/strict";
import { aCluster, aReport } from "../support/reports.ts";
import { type Scene, scenario } from "../support/scene.ts";
import { until } from "../support/until.ts";

const only = { serviceLog: true };

/**
 * Reports of new clusters, one after the other: each is decided and on the Kafka topic before the next comes
 * in.
 */
async function oneAfterTheOther(scene: Scene, count: number): Promise<void> {
  const before = Number(
    await scene.value("select coalesce(sum(next_offset), 0)::integer from consumer_offset"),
  );
  for (let nth = 1; nth <= count; nth++) {
    const cluster = aCluster();
    await scene.topics.produce([aReport(cluster, ["bug"])]);
    await scene.consumed(before + nth);
    const [notified] = await scene.topics.received.take(1);
    assert.equal(notified?.cluster, cluster);
  }
}

scenario(
  "a Service Log that never answers holds up neither deciding nor the notifications backend",
  only,
  async (scene) => {
    scene.receiver.behave(...Array(100).fill("hang"));
    scene.start("run", {
      env: { CCX_SERVICE_LOG_CONCURRENCY: "2", CCX_SERVICE_LOG_TIMEOUT_MS: "600000" },
    });
    // enough at once for all the posts that may be under way
    const clusters = Array.from({ length: 5 }, aCluster);
    await scene.topics.produce(clusters.map((cluster) => aReport(cluster, ["bug"])));
    await scene.topics.received.take(5);
    await oneAfterTheOther(scene, 10);
    assert.equal(await scene.value("select count(*)::integer from decision_due"), 0);
    const waiting = "select count(*)::integer from notification where target_id = 2 and state = 'pending'";
    assert.equal(await scene.value(waiting), 15);
    // No post ever ends, so all there were are under way.
    assert.equal(scene.receiver.requests.posts, 2, "no more posts at once than the configuration permits");
  },
);

scenario("a worker without a Service Log leaves its job to a worker that has one", only, async (scene) => {
  const job =
    "select attempts, locked_at from graphile_worker.jobs where task_identifier = 'deliver_service_log'";
  const without = scene.start("run", { env: { CCX_SERVICE_LOG_URL: "" } });
  await oneAfterTheOther(scene, 3);
  assert.deepEqual(await scene.rows(job), [{ attempts: 0, locked_at: null }]);
  assert.equal(without.lines.filter(({ level }) => level === "error").length, 0);
  assert.equal(scene.receiver.requests.posts, 0);

  const having = scene.start("work");
  await scene.quiet();
  await until("the job is done", async () => (await scene.rows(job)).length === 0);
  assert.equal(scene.receiver.entries.length, 3);
  await Promise.all([without.stop(), having.stop()]);
});
