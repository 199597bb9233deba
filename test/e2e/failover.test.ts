import assert from "node:assert/strict";
import { test } from "node:test";
import pg from "pg";
import { sampleContent } from "../../dev/samples/content.ts";
import { loadContent } from "../../src/content/source/load.ts";
import { migrate } from "../../src/db/migrate.ts";
import { createLogger } from "../../src/log.ts";
import { openTopics } from "../support/kafka.ts";
import { aCluster, aReport } from "../support/reports.ts";
import { Service } from "../support/service.ts";
import { startPair } from "../support/standby.ts";
import { startTcpProxy } from "../support/tcp_proxy.ts";
import { until } from "../support/until.ts";

/**
 * A primary that dies in the middle, with a synchronous standby that takes its place at the same address, as
 * Patroni, Crunchy's operator and RDS do it.
 */
test("when the standby is promoted, a service goes on, nothing is lost and no issue is notified twice", async (t) => {
  await using owned = new AsyncDisposableStack();
  const { primary, standby } = await startPair(owned);
  const open = (url: string) => {
    const pool = new pg.Pool({ connectionString: url, options: "-c search_path=public,ccx", max: 2 });
    pool.on("error", () => {}); // the server goes away on purpose
    owned.defer(() => pool.end());
    return pool;
  };

  const before = open(primary.url);
  await before.query("alter system set synchronous_standby_names = 'standby'");
  await before.query("select pg_reload_conf()");
  await until("the primary waits for its standby", async () => {
    const { rows } = await before.query("select sync_state from pg_stat_replication");
    return rows[0]?.sync_state === "sync";
  });
  await migrate(primary.url, createLogger("silent"));
  await loadContent(before, sampleContent);

  const topics = owned.use(await openTopics());
  const address = new URL(primary.url);
  const proxy = owned.use(await startTcpProxy({ host: address.hostname, port: Number(address.port) }));
  address.port = String(proxy.port);
  const count = 200;
  const clusters = Array.from({ length: count }, aCluster);
  const produce = (some: readonly string[]) =>
    topics.produce(some.map((cluster) => aReport(cluster, ["bug", "proxy"])));
  await produce(clusters.slice(0, count / 2));
  const service = new Service("run", {
    DATABASE_URL: address.href,
    KAFKA_BROKERS: topics.brokers,
    CCX_RESULTS_TOPIC: topics.results,
    CCX_NOTIFICATIONS_TOPIC: topics.notifications,
    CCX_CONSUMER_GROUP: topics.group,
    CCX_BATCH_SIZE: "5",
  });
  owned.defer(() => service.kill());
  await service.says("ingested", 4);
  await until("some notifications are out", async () => {
    const { rows } = await before.query("select 1 from notification where state = 'sent' limit 1");
    return rows.length > 0;
  });

  await primary.kill("SIGQUIT");
  await proxy.refuse();
  const after = open(standby.url);
  const value = async (sql: string) => Object.values((await after.query(sql)).rows[0] ?? {})[0];
  const stored = Number(await value("select coalesce(sum(next_offset), 0)::integer from consumer_offset"));
  assert.ok((await topics.committed()) <= stored, "Kafka is never ahead of what the standby has");
  t.diagnostic(`${stored} of ${count} reports were stored when the primary died`);
  await produce(clusters.slice(count / 2));
  assert.equal(await value("select pg_promote(true, 60)"), true);
  Object.assign(proxy.target, { port: Number(new URL(standby.url).port) });
  await proxy.heal();

  await until("every report is stored", async () => {
    assert.ok(!service.hasEnded, service.stderr);
    const next = "select coalesce(sum(next_offset), 0)::integer from consumer_offset";
    return Number(await value(next)) === count;
  }).catch((error) => {
    t.diagnostic(
      service.lines
        .slice(-30)
        .map((line) => JSON.stringify(line))
        .join("\n"),
    );
    throw error;
  });
  // What was claimed when the primary died stays so for its lease, which is made to pass here.
  await until("all is decided and sent", async () => {
    assert.ok(!service.hasEnded, service.stderr);
    await after.query(
      "update notification set next_attempt_at = now() where state = 'pending' and next_attempt_at > now() + interval '1 minute'",
    );
    await after.query("select sweep()");
    const left =
      "select (select count(*) from decision_due) + (select count(*) from notification where state = 'pending')";
    return (await value(left)) === "0";
  });
  await until("Kafka knows", async () => (await topics.committed()) === count);
  await service.stop();

  const { rows: sent } = await after.query<{ id: string; cluster: string }>(
    "select message_id::text as id, cluster from notification where state = 'sent'",
  );
  assert.equal(await value("select count(*)::integer from new_reports"), count);
  assert.equal(sent.length, count, "each cluster has one notification");
  const notified = await topics.received.takeAll();
  // A message that was sent and not recorded goes out again with the same id, which the receiver drops.
  assert.deepEqual(
    new Map(notified.map(({ id, cluster }) => [id, cluster])),
    new Map(sent.map(({ id, cluster }) => [id, cluster])),
  );
  assert.deepEqual(new Set(sent.map(({ cluster }) => cluster)), new Set(clusters));
});
