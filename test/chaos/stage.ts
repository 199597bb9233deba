import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import kafkajs from "kafkajs";
import pg from "pg";
import { prepareDatabase } from "../../dev/embedded.ts";
import { startServiceLogReceiver } from "../../dev/stack/service_log_receiver.ts";
import { startStack } from "../../dev/stack/stack.ts";
import { mayPass } from "../../src/db/errors.ts";
import { createLogger } from "../../src/log.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp_proxy.ts";
import { startReceiverFront } from "./receiver_front.ts";
import { type Exit, Role } from "./role.ts";

/** In the beginning; faults add some. */
export const partitions = 4;
const local = "127.0.0.1";

/** A query on a connection of its own, tried again while the server is away. */
export type Query = (sql: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;

export type Stage = Awaited<ReturnType<typeof openStage>>;

/**
 * The whole: servers of our own, a proxy on every line between the parts, a receiver with books, two
 * consumers and two workers as processes of their own.
 */
export async function openStage(log: (line: string) => void) {
  await using owned = new AsyncDisposableStack();
  const kafkaLine = owned.use(await startTcpProxy({ host: local, port: 0 }));
  const stack = await startStack({
    log,
    advertiseKafka: (port) => {
      kafkaLine.target.port = port;
      return kafkaLine.port;
    },
  });
  owned.defer(() => stack.stop());
  const { postgres, kafka } = stack.servers;
  if (!postgres || !kafka) throw new Error("the stage needs servers of its own");

  await prepareDatabase(stack.databaseUrl, createLogger("silent"));
  const query: Query = async (sql, values = []) => {
    for (const limit = Date.now() + 60_000; ; await sleep(200)) {
      const client = new pg.Client({ connectionString: stack.databaseUrl, connectionTimeoutMillis: 5_000 });
      client.on("error", () => undefined);
      try {
        await client.connect();
        return (await client.query(sql, values)).rows;
      } catch (error) {
        if (!mayPass(error) || Date.now() > limit) throw error;
      } finally {
        await client.end().catch(() => undefined);
      }
    }
  };
  /** Several queries on one connection; false when the server has gone away meanwhile. */
  const session = async (work: (query: Query) => Promise<void>): Promise<boolean> => {
    const client = new pg.Client({ connectionString: stack.databaseUrl, connectionTimeoutMillis: 5_000 });
    client.on("error", () => undefined);
    try {
      await client.connect();
      await work(async (sql, values = []) => (await client.query(sql, values)).rows);
      return true;
    } catch (error) {
      if (!mayPass(error)) throw error;
      return false;
    } finally {
      await client.end().catch(() => undefined);
    }
  };
  await query(await readFile(new URL("setup.sql", import.meta.url), "utf8"));
  // its processes are killed, the machine is not: what was written to a file is there; but a page may be half
  // written
  await query("alter system set full_page_writes = on");
  await query("select pg_reload_conf()");

  const topics = { results: "ccx.ocp.results", notifications: "platform.notifications.ingress" };
  const brokers = `${local}:${kafkaLine.port}`;
  const client = new kafkajs.Kafka({ brokers: [brokers], logLevel: kafkajs.logLevel.NOTHING });
  const admin = client.admin();
  await admin.connect();
  await admin.createTopics({
    topics: [
      { topic: topics.results, numPartitions: partitions },
      { topic: topics.notifications, numPartitions: 2 },
    ],
    waitForLeaders: true,
  });
  await admin.disconnect();

  const secrets = { clientId: "ccx-chaos", clientSecret: "only-for-the-stand-in" };
  const receiver = owned.use(await startServiceLogReceiver(secrets));
  const front = owned.use(await startReceiverFront(receiver.url));
  const receiverLine = owned.use(await startTcpProxy({ host: local, port: front.port }));
  const databasePort = Number(new URL(stack.databaseUrl).port);
  const databaseLines: TcpProxy[] = [];
  for (let i = 0; i < 2; i++)
    databaseLines.push(owned.use(await startTcpProxy({ host: local, port: databasePort })));

  const through = (url: string, line: TcpProxy | undefined) => {
    const changed = new URL(url);
    changed.port = String(line?.port);
    return changed.href;
  };
  const env = (name: string, line: number): Record<string, string> => ({
    DATABASE_URL: through(stack.databaseUrl, databaseLines[line]),
    KAFKA_BROKERS: brokers,
    CCX_KAFKA_CLIENT_ID: name,
    CCX_BATCH_SIZE: "50",
    CCX_SERVICE_LOG_URL: through(receiver.url, receiverLine),
    CCX_SERVICE_LOG_TOKEN_URL: through(receiver.tokenUrl, receiverLine),
    CCX_SERVICE_LOG_CLIENT_ID: secrets.clientId,
    CCX_SERVICE_LOG_CLIENT_SECRET: secrets.clientSecret,
    CCX_SERVICE_LOG_TIMEOUT_MS: "2500",
  });
  const exits: Exit[] = [];
  const role = (name: string, command: "consume" | "work", line: number) =>
    new Role(name, command, env(name, line), exits);
  const consumers = [role("consumer-1", "consume", 0), role("consumer-2", "consume", 0)] as const;
  const workers = [role("worker-1", "work", 1), role("worker-2", "work", 1)] as const;
  const roles: readonly Role[] = [...consumers, ...workers];
  // whatever ends us, Ctrl-C for one: the servers go by themselves, the services would stay
  const abandon = () => {
    for (const { service } of roles) service.abandon();
  };
  process.on("exit", abandon);
  owned.defer(() => void process.off("exit", abandon));
  owned.defer(async () => void (await Promise.all(roles.map((role) => role.end()))));

  const mine = owned.move();
  return {
    postgres,
    kafka,
    query,
    session,
    brokers,
    client,
    topics,
    receiver,
    front,
    lines: { kafka: kafkaLine, database: databaseLines, receiver: receiverLine },
    consumers,
    workers,
    roles,
    /** Exits that nobody asked for, and stops that took too long. */
    exits,
    /** The longest stop of a service so far. */
    longestStopMs: () => Math.max(0, ...roles.map((role) => role.longestStopMs)),
    [Symbol.asyncDispose]: () => mine.disposeAsync(),
  };
}

/** The consumer group of the services. */
export const group = "ccx_notifications";
