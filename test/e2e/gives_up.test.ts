import assert from "node:assert/strict";
import kafkajs from "kafkajs";
import { aCluster, aReport } from "../support/reports.ts";
import { scenario } from "../support/scene.ts";

const failed = { code: 1, signal: null };

scenario(
  "a worker whose runner ends unasked ends the process with exit code 1, also where something holds it",
  {},
  async (scene) => {
    const service = scene.start("work", { preload: "./end_runner.ts", env: { TEST_HOLDS: "true" } });
    assert.deepEqual(await service.ends(), failed);
    assert.match(service.stderr, /the worker ended unasked/);
  },
);

scenario("so does a whole service, which then consumes nothing more either", {}, async (scene) => {
  const service = scene.start("run", { preload: "./end_runner.ts" });
  assert.deepEqual(await service.ends(), failed, service.stderr);
  assert.deepEqual(service.said("rules cannot be looked up yet, trying again"), []);
});

scenario("a job whose end cannot be recorded ends the process with exit code 1", {}, async (scene) => {
  await scene.pool.query(
    `create function broken_page() returns trigger language plpgsql as $$
     begin raise exception 'a broken page' using errcode = 'XX001'; end $$`,
  );
  await scene.pool.query(
    "create trigger broken_page before delete on graphile_worker._private_jobs for each row execute function broken_page()",
  );
  const service = scene.start("work");
  await service.says("running");
  await scene.pool.query("select graphile_worker.add_job('decide')");
  assert.deepEqual(await service.ends(), failed);
  assert.match(service.stderr, /a broken page/);
});

scenario("a consumer that kafkajs gave up on ends the process with exit code 1", {}, async (scene) => {
  const { topics } = scene;
  // somebody else uses the group's name in another way: the broker lets nobody in who does not agree
  const kafka = new kafkajs.Kafka({
    brokers: topics.brokers.split(","),
    logLevel: kafkajs.logLevel.NOTHING,
  });
  const other = kafka.consumer({
    groupId: topics.group,
    partitionAssigners: [
      (options) => ({ ...kafkajs.PartitionAssigners.roundRobin(options), name: "another" }),
    ],
  });
  await other.connect();
  try {
    await other.subscribe({ topic: topics.results });
    const joined = new Promise((resolve) => other.on(other.events.GROUP_JOIN, resolve));
    await other.run({ eachMessage: async () => undefined });
    await joined;
    const service = scene.start("consume");
    assert.deepEqual(await service.ends(), failed);
    assert.match(service.stderr, /protocol/i);
    await topics.produce([aReport(aCluster(), ["bug"])]);
    assert.equal(await scene.value("select count(*)::integer from new_reports"), 0);
  } finally {
    await other.disconnect();
  }
});
