import assert from "node:assert/strict";
import { test } from "node:test";
import type pg from "pg";
import { sampleContent } from "../../dev/samples/content.ts";
import { type ServiceLogReceiver, startServiceLogReceiver } from "../../dev/stack/service_log_receiver.ts";
import { loadContent } from "../../src/content/source/load.ts";
import { openDatabase } from "./database.ts";
import { openTopics, type TestTopics } from "./kafka.ts";
import { Service } from "./service.ts";
import { until } from "./until.ts";

export type SceneOptions = {
  /** of the results topic; 1 */
  partitions?: number;
  /** the target service log is on, with a stand-in for the Service Log */
  serviceLog?: boolean;
};

/** One scenario's own database (migrated, with the sample content), topics and receivers. */
export type Scene = {
  databaseUrl: string;
  pool: pg.Pool;
  topics: TestTopics;
  /** Throws where the scene has none. */
  receiver: ServiceLogReceiver;
  /** the environment of a service */
  env: Record<string, string>;
  /** Starts the service; it is killed at the end of the scenario at the latest. */
  start(
    command: "run" | "analyze" | "consume" | "work" | "serve",
    options?: { env?: Record<string, string>; preload?: string },
  ): Service;
  /** The rows of a query. */
  rows(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  /** The one value of a query with one row and column. */
  value(sql: string, values?: unknown[]): Promise<unknown>;
  /** Waits until `count` messages have been consumed, whatever became of them. */
  consumed(count: number): Promise<void>;
  /** Waits until nothing is left to decide or to deliver. */
  quiet(): Promise<void>;
  /** As if every lease had passed and the minutely sweep had run. */
  leasesEnd(): Promise<void>;
};

/**
 * A test with a scene of its own. It also fails when a receiver got something that the test did not take, or
 * that does not conform.
 */
export function scenario(
  name: string,
  options: SceneOptions & { skip?: string | false },
  body: (scene: Scene) => Promise<void>,
): void {
  test(name, { skip: options.skip ?? false }, async (t) => {
    await using owned = new AsyncDisposableStack();
    const services: Service[] = [];
    const scene = await openScene(options, owned, services);
    try {
      await body(scene);
      await scene.topics.received.assertNoMore();
      if (options.serviceLog) assert.deepEqual(scene.receiver.unexpected, []);
    } catch (error) {
      for (const service of services) {
        for (const line of service.lines.slice(-25)) t.diagnostic(JSON.stringify(line));
        if (service.stderr) t.diagnostic(service.stderr);
      }
      throw error;
    }
  });
}

async function openScene(options: SceneOptions, owned: AsyncDisposableStack, services: Service[]) {
  const { url: databaseUrl, pool } = owned.use(await openDatabase({ poolSize: 4 }));
  await loadContent(pool, sampleContent);
  const topics = owned.use(await openTopics(options.partitions));
  const env: Record<string, string> = {
    DATABASE_URL: databaseUrl,
    KAFKA_BROKERS: topics.brokers,
    CCX_RESULTS_TOPIC: topics.results,
    CCX_NOTIFICATIONS_TOPIC: topics.notifications,
    CCX_CONSUMER_GROUP: topics.group,
  };
  let receiver: ServiceLogReceiver | undefined;
  if (options.serviceLog) {
    receiver = owned.use(
      await startServiceLogReceiver({ clientId: "ccx-test", clientSecret: "test-secret" }),
    );
    env.CCX_SERVICE_LOG_URL = receiver.url;
    env.CCX_SERVICE_LOG_TOKEN_URL = receiver.tokenUrl;
    env.CCX_SERVICE_LOG_CLIENT_ID = "ccx-test";
    env.CCX_SERVICE_LOG_CLIENT_SECRET = "test-secret";
    await pool.query("select set_policy('service log', '{\"enabled\": true}', 'for the test')");
  }
  owned.defer(async () => void (await Promise.all(services.map((service) => service.kill()))));

  const assertRunning = () =>
    assert.ok(!services.every(({ hasEnded }) => hasEnded), "no service runs that could do it");
  const rows: Scene["rows"] = async (sql, values) => (await pool.query(sql, values)).rows;
  const value: Scene["value"] = async (sql, values) => Object.values((await rows(sql, values))[0] ?? {})[0];
  const scene: Scene = {
    databaseUrl,
    pool,
    topics,
    get receiver() {
      assert.ok(receiver, "this scene has no Service Log");
      return receiver;
    },
    env,
    start(command, { env: more = {}, preload } = {}) {
      const service = new Service(command, { ...env, ...more }, preload);
      services.push(service);
      return service;
    },
    rows,
    value,
    async consumed(count) {
      const sum = "select coalesce(sum(next_offset), 0)::integer from consumer_offset";
      await until(`${count} messages are consumed`, async () => {
        const next = Number(await value(sum));
        assert.ok(next <= count, `${next} messages are consumed, only ${count} were expected`);
        if (next < count) assertRunning();
        return next === count;
      });
    },
    async quiet() {
      await until("nothing is left to decide or to deliver", async () => {
        const left = await value(
          `select (select count(*) from decision_due) + (select count(*) from decision_request where due_at <= now())
             + (select count(*) from notification where state = 'pending')`,
        );
        if (left !== "0") assertRunning();
        return left === "0";
      });
    },
    async leasesEnd() {
      await pool.query("update notification set next_attempt_at = now() where state = 'pending'");
      await pool.query("select sweep()");
    },
  };
  return scene;
}
