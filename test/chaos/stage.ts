import { mkdir, mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import kafkajs from "kafkajs";
import pg from "pg";
import { prepareDatabase } from "../../dev/embedded.ts";
import { startGuard } from "../../dev/stack/guard.ts";
import { findPorts } from "../../dev/stack/server.ts";
import { startServiceLogReceiver } from "../../dev/stack/service_log_receiver.ts";
import { startStack } from "../../dev/stack/stack.ts";
import { mayPass } from "../../src/db/errors.ts";
import { createLogger } from "../../src/log.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp_proxy.ts";
import { startReceiverFront } from "./receiver_front.ts";
import { type Command, type Exit, Role } from "./role.ts";
import { loadRules } from "./rules.ts";

/** In the beginning; faults add some. */
export const partitions = 4;
const local = "127.0.0.1";

/** A query on a connection of its own, tried again while the server is away. */
export type Query = (sql: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;

export type Stage = Awaited<ReturnType<typeof openStage>>;

/** Where archives are kept. */
export type StoreName = "database" | "folder";

/**
 * The whole: servers of our own, a proxy on every line between the parts, a receiver with books, and two
 * processes each that take uploads, analyze, consume and work.
 */
export async function openStage(store: StoreName, log: (line: string) => void) {
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
  await loadRules(query);
  // its processes are killed, the machine is not: what was written to a file is there; but a page may be half
  // written
  await query("alter system set full_page_writes = on");
  await query("select pg_reload_conf()");

  const topics = {
    results: "ccx.ocp.results",
    notifications: "platform.notifications.ingress",
    announcements: "platform.upload.announce",
    statuses: "platform.payload-status",
  };
  const brokers = `${local}:${kafkaLine.port}`;
  const client = new kafkajs.Kafka({ brokers: [brokers], logLevel: kafkajs.logLevel.NOTHING });
  const admin = client.admin();
  await admin.connect();
  await admin.createTopics({
    topics: [
      { topic: topics.results, numPartitions: partitions },
      { topic: topics.notifications, numPartitions: 2 },
      { topic: topics.announcements, numPartitions: 2 },
      { topic: topics.statuses, numPartitions: 1 },
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

  // both lead to both processes that serve, by turns: whoever finds one away meets the other the next time
  const ports = await findPorts(2);
  const serving = async () => {
    let turn = 0;
    const target = {
      host: local,
      get port() {
        return ports[turn++ % ports.length] ?? 0;
      },
    };
    return owned.use(await startTcpProxy(target));
  };
  const [ingressLine, archivesLine] = [await serving(), await serving()];
  const folder = await mkdtemp(path.join(tmpdir(), "ccx-chaos-"));
  const guard = startGuard(); // also when we are killed
  owned.defer(() => guard.end());
  guard.addFolder(folder);
  const archives = path.join(folder, "archives");
  await mkdir(archives);

  const through = (url: string, line: TcpProxy | undefined) => {
    const changed = new URL(url);
    changed.port = String(line?.port);
    return changed.href;
  };
  const env = (name: string, line: number, port = 0): Record<string, string> => ({
    DATABASE_URL: through(stack.databaseUrl, databaseLines[line]),
    KAFKA_BROKERS: brokers,
    CCX_KAFKA_CLIENT_ID: name,
    CCX_BATCH_SIZE: "50",
    CCX_SERVICE_LOG_URL: through(receiver.url, receiverLine),
    CCX_SERVICE_LOG_TOKEN_URL: through(receiver.tokenUrl, receiverLine),
    CCX_SERVICE_LOG_CLIENT_ID: secrets.clientId,
    CCX_SERVICE_LOG_CLIENT_SECRET: secrets.clientSecret,
    CCX_SERVICE_LOG_TIMEOUT_MS: "2500",
    CCX_HTTP_PORT: String(port),
    CCX_ARCHIVE_STORE: store,
    CCX_ARCHIVE_FOLDER: archives,
    CCX_ARCHIVE_BASE_URL: `http://${local}:${archivesLine.port}`,
    CCX_ARCHIVE_TIMEOUT_MS: "8000",
    CCX_RULE_TIMEOUT_MS: "1000",
    CCX_RULES_TIMEOUT_MS: "3000",
  });
  const exits: Exit[] = [];
  const role = (name: string, command: Command, line: number, port?: number) =>
    new Role(name, command, env(name, line, port), exits);
  // one of each on either line to the database, so that one goes on where the other cannot
  const servers = [role("server-1", "serve", 0, ports[0]), role("server-2", "serve", 1, ports[1])] as const;
  const analyzers = [role("analyzer-1", "analyze", 0), role("analyzer-2", "analyze", 1)] as const;
  const consumers = [role("consumer-1", "consume", 0), role("consumer-2", "consume", 0)] as const;
  const workers = [role("worker-1", "work", 1), role("worker-2", "work", 1)] as const;
  const roles: readonly Role[] = [...servers, ...analyzers, ...consumers, ...workers];
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
    lines: {
      kafka: kafkaLine,
      database: databaseLines,
      receiver: receiverLine,
      ingress: ingressLine,
      archives: archivesLine,
    },
    /** Where clients upload. */
    ingressUrl: `http://${local}:${ingressLine.port}`,
    /** The folder with the archives, where that is their store. */
    archives: store === "folder" ? archives : undefined,
    servers,
    analyzers,
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

/** The consumer groups of the services: that of results, and that of announcements. */
export const group = "ccx_notifications";
export const analyzeGroup = "ccx_analyze";
