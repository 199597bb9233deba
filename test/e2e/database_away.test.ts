import assert from "node:assert/strict";
import pg from "pg";
import { aCluster, aReport, issueOf } from "../support/reports.ts";
import { type Scene, scenario } from "../support/scene.ts";
import { startTcpProxy } from "../support/tcp_proxy.ts";
import { until } from "../support/until.ts";

/** A proxy before the scene's database, and the environment that leads a service through it. */
async function behindProxy(scene: Scene, options: { refusing?: boolean } = {}) {
  const url = new URL(scene.databaseUrl);
  const proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) }, options);
  url.port = String(proxy.port);
  return { proxy, env: { DATABASE_URL: url.href } };
}

const nextOffset = "select coalesce(sum(next_offset), 0)::integer from consumer_offset";

scenario(
  "a service that starts while the database is away waits for it, and nothing is lost",
  {},
  async (scene) => {
    const { proxy, env } = await behindProxy(scene, { refusing: true });
    await using _ = proxy;
    const clusters = Array.from({ length: 20 }, aCluster);
    await scene.topics.produce(clusters.map((cluster) => aReport(cluster, ["bug"])));
    const service = scene.start("run", { env });
    await service.says("database is away, trying again", 3);
    assert.equal(await scene.value(nextOffset), 0);
    assert.equal(await scene.topics.committed(), 0);

    await proxy.heal();
    await scene.consumed(20);
    await scene.quiet();
    const notified = await scene.topics.received.take(20);
    assert.deepEqual(new Set(notified.map(({ cluster }) => cluster)), new Set(clusters));
    await until("Kafka knows", async () => (await scene.topics.committed()) === 20);
    await service.stop();
  },
);

scenario("a database that goes away in the middle only delays", {}, async (scene) => {
  const { proxy, env } = await behindProxy(scene);
  await using _ = proxy;
  const count = 300;
  const clusters = Array.from({ length: count }, aCluster);
  await scene.topics.produce(clusters.map((cluster) => aReport(cluster, ["bug", "proxy"])));
  const service = scene.start("run", { env: { ...env, CCX_BATCH_SIZE: "5" } });

  await service.says("ingested", 3);
  await proxy.refuse();
  await service.says("database is away, nothing is lost, trying again", 2);
  const stored = Number(await scene.value(nextOffset));
  assert.ok(stored > 0 && stored < count, `it was in the middle: ${stored}`);
  assert.ok((await scene.topics.committed()) <= stored, "Kafka is never ahead of the database");
  assert.equal(await scene.value("select count(*)::integer from new_reports"), stored);

  // While it comes back, its connections break now and then.
  await proxy.heal();
  for (const more of [1, 2, 3]) {
    const ingested = service.said("ingested").length;
    await service.says("ingested", Math.min(ingested + more, count / 5));
    proxy.cut();
  }
  await scene.consumed(count);
  // Notifications that were claimed when a connection broke stay so for the two minutes of their lease.
  const undecided = async () => Number(await scene.value("select count(*) from decision_due"));
  const unheld =
    "select count(*) from notification where state = 'pending' and next_attempt_at < now() + interval '1 minute'";
  await until("all is decided, and what nobody holds is sent", async () => {
    if ((await undecided()) === 0 && Number(await scene.value(unheld)) === 0) return true;
    await scene.pool.query("select sweep()");
    return false;
  });
  await scene.leasesEnd();
  await scene.quiet();
  const rows =
    "select count(*)::integer as rows, count(distinct cluster)::integer as clusters from new_reports";
  assert.deepEqual(await scene.rows(rows), [{ rows: count, clusters: count }]);
  await until("Kafka knows", async () => (await scene.topics.committed()) === count);
  await service.stop();

  // A break between sending and recording sends again with the same id, which the receiver drops.
  const sent = await scene.rows(
    "select message_id::text as id, cluster from notification where state = 'sent'",
  );
  const onTopic = Number(await scene.value("select sum(attempts)::integer from notification"));
  const notified = await scene.topics.received.takeAll();
  assert.ok(
    notified.length >= count && notified.length <= onTopic,
    `${notified.length} messages by ${onTopic} attempts`,
  );
  const heard = new Map(notified.map(({ id, cluster }) => [id, cluster]));
  assert.deepEqual(heard, new Map(sent.map(({ id, cluster }) => [String(id), String(cluster)])));
  assert.deepEqual(new Set(heard.values()), new Set(clusters));
  assert.deepEqual(notified[0]?.issues, [issueOf("bug"), issueOf("proxy")]);
});

scenario(
  "a service whose database was dropped ends with a line that says so, whatever it was doing",
  { serviceLog: true },
  async (scene) => {
    scene.receiver.behave("hang", "hang");
    await scene.topics.produce([aReport(aCluster(), ["bug"])]);
    const service = scene.start("run", { env: { CCX_SERVICE_LOG_TIMEOUT_MS: "1000" } });
    await scene.topics.received.take(1);
    await until("a post is under way", () => scene.receiver.requests.posts === 1);

    const server = new pg.Client({ connectionString: process.env.TEST_DATABASE_URL });
    await server.connect();
    const name = new URL(scene.databaseUrl).pathname.slice(1);
    try {
      await server.query(`drop database ${name} with (force)`);
      assert.deepEqual(await service.ends(), { code: 1, signal: null }, service.stderr);
      assert.match(service.stderr, /^ccx: The database named in DATABASE_URL does not exist: .*\n$/);
      assert.equal(service.stderr.trim().split("\n").length, 1, service.stderr);
    } finally {
      await server.query(`create database ${name}`); // for the end of the scene
      await server.end();
    }
  },
);
