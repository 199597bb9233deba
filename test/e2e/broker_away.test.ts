import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { aCluster, aReport, issueOf } from "../support/reports.ts";
import { scenario } from "../support/scene.ts";
import { until } from "../support/until.ts";

/** An address at which nobody listens. */
async function closedPort(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return `127.0.0.1:${port}`;
}

scenario(
  "notifications wait while the broker is away, then go out once; the service log does not wait with them",
  { serviceLog: true },
  async (scene) => {
    const clusters = [aCluster(), aCluster(), aCluster()];
    await scene.topics.produce(clusters.map((cluster) => aReport(cluster, ["bug"])));
    const consumer = scene.start("consume");
    await scene.consumed(3);
    await consumer.stop();

    const cutOff = scene.start("work", { env: { KAFKA_BROKERS: await closedPort() } });
    await until("the service log has its entries", () => scene.receiver.entries.length === 3, 10_000);
    const backend = "select state, failure, attempts from notification where target_id = 1";
    const tries = async (atLeast: number) => {
      await until(`${atLeast} failed tries`, async () =>
        (await scene.rows(backend)).every(
          (row) => row.failure === "broker" && Number(row.attempts) >= atLeast,
        ),
      );
      for (const row of await scene.rows(backend)) assert.equal(row.state, "pending");
    };
    await tries(1);
    await tries(2);
    assert.deepEqual(await scene.rows("select distinct state from notification where target_id = 2"), [
      { state: "sent" },
    ]);
    const [failed] = cutOff.said("delivery failed");
    assert.deepEqual([failed?.target, failed?.failure], ["notifications backend", "broker"]);
    await cutOff.stop(40_000);

    await scene.pool.query("update notification set next_attempt_at = now() where state = 'pending'");
    scene.start("work");
    await scene.quiet();
    const notified = await scene.topics.received.take(3);
    assert.deepEqual(new Set(notified.map(({ cluster }) => cluster)), new Set(clusters));
    assert.deepEqual(notified[0]?.issues, [issueOf("bug")]);
    assert.deepEqual(
      await scene.rows("select state, count(*)::integer as n from reported group by state order by state"),
      [{ state: 1, n: 6 }],
      "one row for each report and target, sent in the end",
    );
    assert.equal(scene.receiver.entries.length, 3);
  },
);

scenario("a consumer that starts before the brokers waits for them", {}, async (scene) => {
  await scene.topics.produce([aReport(aCluster(), ["bug"])]);
  const away = await closedPort();
  const consumer = scene.start("consume", { env: { KAFKA_BROKERS: `${away},${scene.topics.brokers}` } });
  await scene.consumed(1);
  await consumer.stop();
  const waiting = scene.start("consume", { env: { KAFKA_BROKERS: away } });
  await waiting.says("results cannot be consumed yet, trying again");
  await waiting.stop();
});
