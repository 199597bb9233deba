import kafkajs from "kafkajs";
import pg from "pg";
import { loadContent } from "../src/content/source/load.ts";
import { migrate } from "../src/db/migrate.ts";
import { createPool } from "../src/db/pool.ts";
import type { Logger } from "../src/log.ts";
import { sampleContent } from "./samples/content.ts";
import { startServiceLogReceiver } from "./stack/service_log_receiver.ts";
import { startStack } from "./stack/stack.ts";

type Variables = Record<string, string | undefined>;

/**
 * Completes an environment for the service with what it lacks: PostgreSQL (migrated, with the sample content,
 * both targets on), Kafka (with the topics), and a stand-in for the Service Log, unless the database is
 * somebody's. A server that the environment names is used as it is. Disposing stops what was started.
 */
export async function embed(
  env: Variables,
  log: Logger,
  say: (line: string) => void,
  { serviceLog = !env.DATABASE_URL } = {},
) {
  await using started = new AsyncDisposableStack();
  const stack = await startStack({
    databaseUrl: env.DATABASE_URL,
    kafkaBrokers: env.KAFKA_BROKERS,
    log: say,
  });
  started.defer(() => stack.stop());
  const complete: Variables = { ...env, DATABASE_URL: stack.databaseUrl, KAFKA_BROKERS: stack.kafkaBrokers };

  let receiver: Awaited<ReturnType<typeof startServiceLogReceiver>> | undefined;
  if (serviceLog && !env.CCX_SERVICE_LOG_URL) {
    const clientId = "ccx-demo";
    const clientSecret = "only-for-the-stand-in";
    receiver = await startServiceLogReceiver({ clientId, clientSecret });
    started.defer(receiver.stop);
    complete.CCX_SERVICE_LOG_URL = receiver.url;
    complete.CCX_SERVICE_LOG_TOKEN_URL = receiver.tokenUrl;
    complete.CCX_SERVICE_LOG_CLIENT_ID = clientId;
    complete.CCX_SERVICE_LOG_CLIENT_SECRET = clientSecret;
  }
  if (!env.DATABASE_URL) await prepareDatabase(stack.databaseUrl, log);
  if (!env.KAFKA_BROKERS) {
    await createTopics(stack.kafkaBrokers, [
      env.CCX_RESULTS_TOPIC ?? "ccx.ocp.results",
      env.CCX_NOTIFICATIONS_TOPIC ?? "platform.notifications.ingress",
      env.CCX_ANNOUNCEMENTS_TOPIC ?? "platform.upload.announce",
      ...(env.CCX_WORKLOADS_TOPIC ? [env.CCX_WORKLOADS_TOPIC] : []),
      env.CCX_PAYLOAD_STATUS_TOPIC ?? "platform.payload-status",
    ]);
  }
  const owned = started.move();
  return { env: complete, receiver, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Migrates, loads the sample content and switches both targets on. */
export async function prepareDatabase(databaseUrl: string, log: Logger): Promise<void> {
  await migrate(databaseUrl, log);
  const pool = createPool({ databaseUrl, size: 1, name: "ccx embedded", log });
  try {
    await loadContent(pool, sampleContent);
    await pool.query(
      "select set_policy('service log', '{\"enabled\": true}', 'the embedded stack has a stand-in for it')",
    );
    // everything is new here, and nobody gets a message
    await pool.query(
      "select set_policy(name, '{\"storm_share\": null}', 'everything is new', clock_timestamp()) from event_targets",
    );
  } finally {
    await pool.end();
  }
}

/**
 * Creates topics, with one partition each unless said otherwise; those that exist are left as they are.
 * `drop` removes all of them, and consumer groups, if there are such.
 */
export async function createTopics(
  brokers: string,
  topics: string[],
  numPartitions = 1,
): Promise<{ drop(groups?: string[]): Promise<void> }> {
  const kafka = new kafkajs.Kafka({ brokers: brokers.split(","), logLevel: kafkajs.logLevel.NOTHING });
  const asAdmin = async (work: (admin: kafkajs.Admin) => Promise<unknown>) => {
    const admin = kafka.admin();
    await admin.connect();
    try {
      await work(admin);
    } finally {
      await admin.disconnect();
    }
  };
  await asAdmin((admin) =>
    admin.createTopics({
      topics: topics.map((topic) => ({ topic, numPartitions })),
      waitForLeaders: true,
    }),
  );
  return {
    drop: (groups = []) =>
      asAdmin(async (admin) => {
        await admin.deleteTopics({ topics });
        for (const group of groups) await admin.deleteGroups([group]).catch(() => undefined);
      }),
  };
}

let databases = 0;

/**
 * A database of its own on a server that is not ours to change; the name begins with ccx_demo.
 * @param template the URL of a database that nobody is connected to: this one becomes a copy of it
 */
export async function createDatabase(
  serverUrl: string,
  template?: string,
): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `ccx_demo_${process.pid}_${Date.now().toString(36)}_${++databases}`;
  const onServer = async (sql: string) => {
    const client = new pg.Client({ connectionString: serverUrl });
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  };
  // by copying files: a benchmark's template has gigabytes, which would all go through the WAL
  const from = template ? ` template ${new URL(template).pathname.slice(1)} strategy file_copy` : "";
  await onServer(`create database ${name}${from}`);
  const url = new URL(serverUrl);
  url.pathname = name;
  return { url: url.href, drop: () => onServer(`drop database if exists ${name} with (force)`) };
}
