import assert from "node:assert/strict";
import { aCluster, aReport } from "../support/reports.ts";
import { scenario } from "../support/scene.ts";
import { until } from "../support/until.ts";

scenario(
  "the job of a worker that was killed while it had it is free within two minutes, and done",
  { serviceLog: true },
  async (scene) => {
    scene.receiver.behave("hang");
    await scene.topics.produce([aReport(aCluster(), ["bug"])]);
    const unlucky = scene.start("run");
    await until("a post is under way", () => scene.receiver.requests.posts === 1);
    const held = "select locked_by from graphile_worker.jobs where task_identifier = 'deliver_service_log'";
    const poolId = await scene.value(held);
    const workers = "select pool_id, roles from worker";
    assert.deepEqual(await scene.rows(workers), [
      { pool_id: poolId, roles: ["analyze", "consume", "work", "serve"] },
    ]);
    await unlucky.kill();

    const lucky = scene.start("work");
    await until("two workers are known", async () => (await scene.rows(workers)).length === 2);
    assert.equal(await scene.value(held), poolId, "nobody else may have it yet");
    // as if time passed, in which only the second one is heard
    const beat = `select heartbeat(pool_id, host, pid, roles, version, now() + $2 * interval '1 second') as freed
      from worker where pool_id <> $1`;
    for (const seconds of [15, 30, 45, 60, 75])
      assert.deepEqual(await scene.value(beat, [poolId, seconds]), []);
    assert.deepEqual(await scene.value(beat, [poolId, 100]), [poolId]);
    assert.deepEqual(await scene.rows("select roles from worker"), [{ roles: ["work"] }]);
    await scene.leasesEnd();
    await scene.quiet();
    assert.equal(scene.receiver.entries.length, 1);
    await scene.topics.received.take(1);
    await lucky.stop();
    assert.deepEqual(await scene.rows(workers), [], "who stops says good-bye");
    const left = "select count(*)::integer from graphile_worker.jobs where locked_by = $1";
    assert.equal(await scene.value(left, [poolId]), 0);
  },
);

scenario(
  "a worker that stood still until others sent its message does no harm when it comes back, and works on",
  { serviceLog: true },
  async (scene) => {
    scene.receiver.behave("hang");
    await scene.topics.produce([aReport(aCluster(), ["bug"])]);
    const zombie = scene.start("run", { env: { CCX_SERVICE_LOG_TIMEOUT_MS: "3000" } });
    await until("a post is under way", () => scene.receiver.requests.posts === 1);
    await until("the other target is notified", async () =>
      scene.value("select true from notification where target_id = 1 and state = 'sent'"),
    );
    const poolId = await scene.value("select pool_id from worker");
    zombie.freeze();

    const other = scene.start("work");
    await until("two workers are known", async () => (await scene.rows("select from worker")).length === 2);
    // as if time passed, in which only the second one is heard
    for (const seconds of [15, 30, 45, 60, 75, 100])
      await scene.rows(
        `select heartbeat(pool_id, host, pid, roles, version, now() + $2 * interval '1 second')
         from worker where pool_id <> $1`,
        [poolId, seconds],
      );
    assert.equal((await scene.rows("select from worker")).length, 1, "it is taken for dead");
    await scene.leasesEnd();
    await scene.quiet();
    assert.equal(scene.receiver.entries.length, 1);
    await other.stop();

    const settled = "select target_id, state, attempts, failure from notification order by target_id";
    const before = await scene.rows(settled);
    assert.deepEqual(
      before.map(({ state }) => state),
      ["sent", "sent"],
    );
    zombie.thaw();
    // its post of then ends by the time limit, and what it has to say of that counts no more
    await zombie.says("delivered", 2);
    assert.deepEqual(await scene.rows(settled), before);
    assert.equal(scene.receiver.requests.posts, 2);
    await scene.topics.received.take(1);

    await scene.topics.produce([aReport(aCluster(), ["bug"])]);
    await scene.consumed(2);
    await until("it works on", () => scene.receiver.entries.length === 2);
    await scene.quiet();
    await scene.topics.received.take(1);
    await until("it is known again", async () => (await scene.rows("select from worker")).length === 1);
    await zombie.stop();
  },
);
