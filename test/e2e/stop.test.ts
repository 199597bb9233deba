import assert from "node:assert/strict";
import { freePort } from "../support/free_port.ts";
import { joinGroupAndFallSilent } from "../support/kafka.ts";
import { aCluster, aReport } from "../support/reports.ts";
import { scenario } from "../support/scene.ts";
import { startTcpProxy } from "../support/tcp_proxy.ts";
import { until } from "../support/until.ts";

const stored =
  "select count(*)::integer as rows, count(distinct cluster)::integer as clusters, max(kafka_offset)::integer as last from new_reports";

scenario(
  "a service that is stopped in the middle finishes what is in hand and goes on later",
  {},
  async (scene) => {
    const count = 400;
    const clusters = Array.from({ length: count }, aCluster);
    await scene.topics.produce(clusters.map((cluster) => aReport(cluster, ["bug"])));
    const first = scene.start("run", { env: { CCX_BATCH_SIZE: "5" } });
    await first.says("ingested", 3);
    await first.stop();
    const next = Number(await scene.value("select next_offset::integer from consumer_offset"));
    assert.ok(next < count, `it was in the middle: ${next}`);
    assert.equal(await scene.topics.committed(), next, "Kafka knows exactly how far it came");
    assert.deepEqual(await scene.rows(stored), [{ rows: next, clusters: next, last: next - 1 }]);
    const cutShort = "select count(*)::integer from notification where state = 'pending' and attempts > 0";
    assert.equal(await scene.value(cutShort), 0, "no notification is left without an outcome");

    const second = scene.start("run");
    await scene.consumed(count);
    await scene.quiet();
    await second.stop();
    assert.equal(second.ingested().skipped, 0);
    assert.equal(first.ingested().stored + second.ingested().stored, count);
    assert.deepEqual(await scene.rows(stored), [{ rows: count, clusters: count, last: count - 1 }]);
    const notified = await scene.topics.received.take(count);
    assert.deepEqual(new Set(notified.map(({ cluster }) => cluster)), new Set(clusters));
  },
);

scenario(
  "a worker that is stopped in the middle finishes what is in hand and goes on later",
  { serviceLog: true },
  async (scene) => {
    const count = 200;
    const clusters = Array.from({ length: count }, aCluster);
    await scene.topics.produce(clusters.map((cluster) => aReport(cluster, ["bug"])));
    const consumer = scene.start("consume");
    await scene.consumed(count);
    await consumer.stop();

    // All of it through a line so slow would take ten seconds.
    const url = new URL(scene.receiver.url);
    await using line = await startTcpProxy({ host: url.hostname, port: Number(url.port) }, { delayMs: 50 });
    url.port = String(line.port);
    const first = scene.start("work", {
      env: { CCX_SERVICE_LOG_URL: url.href, CCX_SERVICE_LOG_CONCURRENCY: "2" },
    });
    await until("a few entries are posted", () => scene.receiver.entries.length >= 4);
    await first.stop();
    const posted = scene.receiver.entries.length;
    const sent = "select count(*)::integer from notification where target_id = 2 and state = 'sent'";
    assert.equal(await scene.value(sent), posted, "every post under way is settled");
    assert.ok(posted < count, `it was in the middle: ${posted}`);

    const second = scene.start("work");
    await second.says("running");
    await scene.pool.query("select sweep()"); // not to wait for the minute
    await scene.quiet();
    await second.stop();
    assert.deepEqual(scene.receiver.entries.map(({ body }) => body.cluster_uuid).sort(), clusters.sort());
    assert.equal(await scene.value("select max(attempts) from notification"), 1);
    const notified = await scene.topics.received.take(count);
    assert.deepEqual(new Set(notified.map(({ cluster }) => cluster)), new Set(clusters));
  },
);

scenario("a service that waits for a database that is away stops at once all the same", {}, async (scene) => {
  const url = new URL(scene.databaseUrl);
  await using proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
  url.port = String(proxy.port);
  const env = { DATABASE_URL: url.href };
  const consuming = scene.start("consume", { env });
  const working = scene.start("work", { env });
  await consuming.says("running");
  await working.says("running");
  await proxy.refuse();
  const starting = scene.start("run", { env });
  await scene.topics.produce([aReport(aCluster(), ["bug"])]);

  // After the sixth try they wait for eight seconds.
  await consuming.says("database is away, nothing is lost, trying again", 6);
  await consuming.stop(5_000);
  await working.stop(5_000);
  await starting.says("database is away, trying again", 6);
  await starting.stop(5_000);
  assert.equal(await scene.topics.committed(), 0);
});

scenario("a service that starts at a database that hangs stops at once all the same", {}, async (scene) => {
  const url = new URL(scene.databaseUrl);
  await using proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
  url.port = String(proxy.port);
  proxy.hang();
  const env = { DATABASE_URL: url.href, CCX_HTTP_PORT: await freePort() };
  for (const command of ["serve", "run"] as const) {
    const starting = scene.start(command, { env });
    await starting.says("metrics and health are served");
    await starting.stop(5_000);
  }
});

scenario(
  "a service ends within ten seconds of being asked to, whatever the database does not let it do",
  {},
  async (scene) => {
    const url = new URL(scene.databaseUrl);
    await using proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
    url.port = String(proxy.port);
    const frozen = scene.start("work", { env: { DATABASE_URL: url.href } });
    const readOnly = scene.start("run");
    const locked = scene.start("work");
    await Promise.all([frozen, readOnly, locked].map((service) => service.says("running")));
    // the sweep and the decision of a report wait for this lock to the end of the scenario
    const holder = await scene.pool.connect();
    try {
      await holder.query("begin");
      await holder.query("lock table worker, decision_due, graphile_worker._private_jobs");
      const { rows } = await holder.query("select quote_ident(current_database()) as name");
      await scene.pool.query(`alter database ${rows[0].name} set default_transaction_read_only = on`);
      await scene.pool.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ccx analyze+consume+work+serve'",
      );
      proxy.freeze();
      const waits = "select count(*)::integer from pg_stat_activity where wait_event_type = 'Lock'";
      await until("workers wait for the lock", async () => Number(await scene.value(waits)) >= 1);
      await Promise.all([frozen, readOnly, locked].map((service) => service.stop(10_000)));
    } finally {
      await holder.query("rollback");
      holder.release();
    }
  },
);

scenario(
  "a service whose broker hangs ends within ten seconds, and says meanwhile that it is not ready",
  {},
  async (scene) => {
    const [host = "", brokerPort] = (scene.topics.brokers.split(",")[0] ?? "").split(":");
    await using proxy = await startTcpProxy({ host, port: Number(brokerPort) });
    const port = await freePort();
    const service = scene.start("run", {
      env: { BROKER_PORT: String(brokerPort), PROXY_PORT: String(proxy.port), CCX_HTTP_PORT: port },
      preload: "broker_through.ts",
    });
    await service.says("running");
    await scene.topics.produce([aReport(aCluster(), [])]);
    await scene.consumed(1);
    const ready = async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
      const { checks } = (await answer.json()) as { checks: { ok: boolean; detail: string }[] };
      return { status: answer.status, wrong: checks.filter(({ ok }) => !ok).map(({ detail }) => detail) };
    };
    assert.deepEqual(await ready(), { status: 200, wrong: [] });

    proxy.hang();
    // a message is under way, too
    await scene.pool.query(
      "insert into new_reports (org_id, cluster, report, updated_at) values (1, $1, $2, now())",
      [aCluster(), JSON.stringify(JSON.parse(aReport(aCluster(), ["bug"])).Report)],
    );
    const claimed = "select count(*)::integer from notification where leased_until is not null";
    await until("a worker has it", async () => (await scene.value(claimed)) === 1);
    const ended = service.stop(10_000);
    await service.says("stopping, finishing what is in hand");
    const { status, wrong } = await ready();
    assert.equal(status, 503);
    assert.ok(wrong.includes("stopping"), JSON.stringify(wrong));
    await ended;
    assert.deepEqual(await scene.rows("select state from notification"), [{ state: "pending" }]);
  },
);

scenario(
  "a consumer that is stopped while it joins its group ends within ten seconds, and leaves nobody behind",
  {},
  async (scene) => {
    // the group waits for one that was killed until its session ends
    await joinGroupAndFallSilent(scene.topics.brokers, scene.topics.group, 50_000);
    const joining = scene.start("consume");
    await until("somebody joins", async () => (await scene.topics.groupState()) === "PreparingRebalance");
    await joining.stop(10_000);
    await scene.topics.evictMembers();
    assert.deepEqual(await scene.topics.members(), []);
    const next = scene.start("consume");
    await next.says("running");
    await scene.topics.produce([aReport(aCluster(), [])]);
    await scene.consumed(1);
    await next.stop();
  },
);
