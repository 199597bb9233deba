import assert from "node:assert/strict";
import { aCluster, aReport } from "../support/reports.ts";
import { scenario } from "../support/scene.ts";
import { until } from "../support/until.ts";

scenario(
  "two consumers of a group share the partitions, and what one leaves the other takes over",
  { partitions: 3 },
  async (scene) => {
    const { topics } = scene;
    const each = 150;
    const produce = async (partition: number) => {
      const reports = Array.from({ length: each }, () => aReport(aCluster(), ["tutorial"]));
      await topics.produce(reports, { partition });
    };
    const env = { CCX_BATCH_SIZE: "3" };
    const one = scene.start("consume", { env });
    const other = scene.start("consume", { env });
    await until("both have partitions", async () => (await topics.members()).sort().join() === "1,2");
    await Promise.all([0, 1, 2].map(produce));
    await Promise.all([one.says("ingested", 3), other.says("ingested", 3)]);
    await other.stop();
    await scene.consumed(3 * each);

    // A third joins while there is something to do.
    await Promise.all([0, 1, 2].map(produce));
    const third = scene.start("consume", { env });
    await scene.consumed(6 * each);
    await until("Kafka knows", async () => (await topics.committed()) === 6 * each);
    await Promise.all([one.stop(), third.stop()]);

    assert.deepEqual(
      await scene.rows(
        "select count(*)::integer as n, count(distinct cluster)::integer as clusters from new_reports",
      ),
      [{ n: 6 * each, clusters: 6 * each }],
    );
    assert.deepEqual(
      await scene.rows("select partition, next_offset::integer from consumer_offset order by partition"),
      [
        { partition: 0, next_offset: 2 * each },
        { partition: 1, next_offset: 2 * each },
        { partition: 2, next_offset: 2 * each },
      ],
    );
    const total = [one, other, third].map((service) => service.ingested().stored);
    assert.equal(
      total.reduce((a, b) => a + b),
      6 * each,
      `stored by each: ${total}`,
    );
    assert.ok((total[0] ?? 0) > 0 && (total[1] ?? 0) > 0);
  },
);

scenario(
  "a topic that was created anew stops the consumer with a line that says what to do",
  {},
  async (scene) => {
    const first = scene.start("consume");
    await scene.topics.produce([1, 2, 3, 4].map(() => aReport(aCluster(), ["bug"])));
    await scene.consumed(4);
    await first.stop();
    await scene.topics.recreateResults();
    const anew = aCluster();
    await scene.topics.produce([aReport(anew, ["bug"])]);

    const second = scene.start("consume");
    assert.deepEqual(await second.ends(), { code: 1, signal: null }, second.stderr);
    assert.match(second.stderr, /^ccx: topic .* was created anew.*consumer_offset.*\n$/);
    assert.equal(second.stderr.trim().split("\n").length, 1);
    assert.deepEqual(await scene.rows("select next_offset from consumer_offset"), [{ next_offset: "4" }]);

    // What the line says, done.
    const advice = /delete from consumer_offset where .*?partition = \d+/.exec(second.stderr)?.[0];
    await scene.pool.query(advice ?? "");
    const third = scene.start("consume");
    await scene.consumed(1);
    assert.equal(
      await scene.value("select count(*)::integer from new_reports where cluster = $1", [anew]),
      1,
    );
    await third.stop();
  },
);

scenario(
  "a consumer that is stopped while it joins the group ends, and does not come back",
  {},
  async (scene) => {
    const first = scene.start("consume");
    await first.says("running");
    first.freeze(); // so that whoever joins has to wait for it
    const second = scene.start("consume");
    await second.says("Starting");
    const stopped = second.stop();
    await second.says("stopping, finishing what is in hand");
    first.thaw();
    await stopped;
    await scene.topics.evictMembers(); // it left in the middle of joining
    await scene.topics.produce([aReport(aCluster(), ["bug"])]);
    await scene.consumed(1);
    assert.deepEqual(second.said("ingested"), []);
    await first.stop();
  },
);

scenario("partitions that are added are read within half a minute", {}, async (scene) => {
  const { topics } = scene;
  const service = scene.start("consume");
  await topics.produce([aReport(aCluster(), ["bug"])]);
  await scene.consumed(1);
  await topics.addPartitions(2);
  await topics.produce([aReport(aCluster(), ["bug"])], { partition: 1 });
  await scene.consumed(2);
  await service.stop();
});

scenario("a consumer waits for a topic that does not exist yet", {}, async (scene) => {
  const topic = `${scene.topics.results}.later`;
  const service = scene.start("consume", { env: { CCX_RESULTS_TOPIC: topic } });
  await service.says(`topic ${topic} does not exist: create it`);
  await service.stop();
});
