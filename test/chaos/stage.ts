import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import kafkajs from "kafkajs";
import { startGuard } from "../../dev/stack/guard.ts";
import { findPorts } from "../../dev/stack/server.ts";
import { startServiceLogReceiver } from "../../dev/stack/service_log_receiver.ts";
import { startStack } from "../../dev/stack/stack.ts";
import { groupOf } from "../../src/cell/cell.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp_proxy.ts";
import { type Cell, prepareDatabases, type Query, queryOf, session } from "./databases.ts";
import { startReceiverFront } from "./receiver_front.ts";
import { type Command, type Exit, Role } from "./role.ts";

/** In the beginning; faults add some. */
export const partitions = 4;
const local = "127.0.0.1";

export type Stage = Awaited<ReturnType<typeof openStage>>;

/** Where archives are kept. */
export type StoreName = "database" | "folder";

/**
 * The whole: servers of our own, a proxy on every line between the parts, a receiver with books, and two
 * processes each that take uploads, analyze, consume and work. Where there are cells, each has one process that
 * consumes and one that works; the first one takes uploads and analyzes them.
 */
export async function openStage(store: StoreName, cellCount: number, log: (line: string) => void) {
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

  const cells = await prepareDatabases(stack.databaseUrl, cellCount);
  const queries = cells.map(({ url }) => queryOf(url));
  const query = queryOf(stack.databaseUrl);
  const inCells: Query = async (sql, values) =>
    (await Promise.all(queries.map((ask) => ask(sql, values)))).flat();

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
  const env = (name: string, line: number, cell: Cell | undefined, port = 0): Record<string, string> => ({
    DATABASE_URL: through(cell?.url ?? "", databaseLines[line]),
    CCX_CELL: cell?.name ?? "",
    KAFKA_BROKERS: brokers,
    CCX_KAFKA_CLIENT_ID: name,
    CCX_BATCH_SIZE: "50",
    CCX_SERVICE_LOG_URL: through(receiver.url, receiverLine),
    CCX_SERVICE_LOG_TOKEN_URL: through(receiver.tokenUrl, receiverLine),
    CCX_SERVICE_LOG_CLIENT_ID: secrets.clientId,
    CCX_SERVICE_LOG_CLIENT_SECRET: secrets.clientSecret,
    CCX_SERVICE_LOG_TIMEOUT_MS: "2500",
    CCX_HTTP_PORT: String(port),
    CCX_ARCHIVE_STORE: cell === cells[0] ? store : "database",
    CCX_ARCHIVE_FOLDER: archives,
    CCX_ARCHIVE_BASE_URL: `http://${local}:${archivesLine.port}`,
    CCX_ARCHIVE_TIMEOUT_MS: "8000",
    CCX_RULE_TIMEOUT_MS: "1000",
    CCX_RULES_TIMEOUT_MS: "3000",
  });
  const exits: Exit[] = [];
  const role = (name: string, command: Command, line: number, cell = cells[0], port?: number) =>
    new Role(name, command, env(name, line, cell, port), exits);
  // one of each on either line to the database, so that one goes on where the other cannot; of cells, one on
  // either line, so that one goes on where another cannot
  const [first] = cells;
  const servers = [
    role("server-1", "serve", 0, first, ports[0]),
    role("server-2", "serve", 1, first, ports[1]),
  ] as const;
  const analyzers = [role("analyzer-1", "analyze", 0), role("analyzer-2", "analyze", 1)] as const;
  const ofCells = (name: string, command: Command, line: (nth: number) => number) =>
    (cells.length > 1 ? cells : [first, first]).map((cell, nth) =>
      role(`${name}-${nth + 1}`, command, cells.length > 1 ? nth % 2 : line(nth), cell),
    );
  const consumers = ofCells("consumer", "consume", () => 0);
  const workers = ofCells("worker", "work", () => 1);
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
    /** in the one database, or in that of the first cell, which has the uploads */
    query,
    /** in the databases of all cells: their rows, one after the other */
    inCells,
    /** in the database of one of the cells */
    session: (work: (query: Query) => Promise<void>, nth = 0) =>
      session(cells[nth % cells.length]?.url ?? "", work),
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
    /** The consumer groups: of results, for each cell one, and of announcements. */
    groups: {
      results: cells.map(({ name }) => groupOf("ccx_notifications", name)),
      announcements: "ccx_analyze",
    },
    /** Exits that nobody asked for, and stops that took too long. */
    exits,
    /** The longest stop of a service so far. */
    longestStopMs: () => Math.max(0, ...roles.map((role) => role.longestStopMs)),
    [Symbol.asyncDispose]: () => mine.disposeAsync(),
  };
}
