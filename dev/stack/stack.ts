import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ConfigurationError } from "../../src/errors.ts";
import { startGuard } from "./guard.ts";
import { findKafka } from "./kafka/install.ts";
import { startKafka } from "./kafka/kafka.ts";
import { startPostgres } from "./postgres/postgres.ts";
import type { Server } from "./server.ts";

export type Stack = {
  databaseUrl: string;
  /** `host:port`, comma-separated */
  kafkaBrokers: string;
  /** holds all data and logs of what was started; removed by `stop` */
  directory: string;
  /** the processes that were started: no server for what was given */
  pids: { guard?: number; postgres?: number; kafka?: number };
  /** the same as servers that can be taken away and brought back */
  servers: { postgres?: Server; kafka?: Server };
  /**
   * Stops what was started, removes the folder; resolves when both are gone. May be called more than once.
   */
  stop(): Promise<void>;
};

export type StackOptions = {
  /** what is given is used as it is, the rest is started */
  databaseUrl?: string | undefined;
  kafkaBrokers?: string | undefined;
  /** hears what takes long, in a line for a person */
  log?: (line: string) => void;
  /** the folder in which the stack has its own; that of the system for temporary files by default */
  within?: string | undefined;
  /** receives the port that Kafka listens on, says at which one clients find it; the same by default */
  advertiseKafka?: (port: number) => number;
};

/**
 * Starts PostgreSQL (18, or what CCX_STACK_POSTGRES says) and Kafka 4.1 for development and tests, empty and
 * on free ports of the loopback interface. They end with this process, however it ends, and do not keep it
 * alive.
 * @throws ConfigurationError if something has to be installed first; Error with the end of a server's log if
 * that
 *   server does not start. Nothing is left running then.
 */
export const startStack = (options: StackOptions = {}): Promise<Stack> => alive(() => start(options));

/** Its processes keep this one alive no longer than somebody waits for them to start, or to end. */
async function alive<T>(work: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 2 ** 30);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

async function start(options: StackOptions): Promise<Stack> {
  const log = options.log ?? (() => {});
  const directory = await mkdtemp(path.join(options.within ?? tmpdir(), "ccx-stack-"));
  const guard = startGuard();
  guard.addFolder(directory);
  const folder = async (name: string) => {
    const created = path.join(directory, name);
    await mkdir(created);
    return created;
  };
  try {
    // PostgreSQL may run as another user, who has to get through to its own folder.
    await chmod(directory, 0o711);
    // First, because it finds at once that something is missing, or takes long enough to make the rest not
    // matter.
    const installation = options.kafkaBrokers
      ? undefined
      : await findKafka(await folder("maven"), guard, log);
    const [postgres, kafka] = await Promise.all([
      options.databaseUrl ? undefined : folder("postgres").then((it) => startPostgres(it, guard)),
      installation &&
        folder("kafka").then((it) => startKafka(it, installation, guard, options.advertiseKafka)),
    ]);
    const stop = async () => {
      await kafka?.stop();
      await postgres?.stop();
      await guard.end();
      // Already done, unless somebody has killed the guard.
      await rm(directory, { recursive: true, force: true });
    };
    let stopped: Promise<void> | undefined;
    return {
      databaseUrl: postgres?.url ?? options.databaseUrl ?? "",
      kafkaBrokers: kafka?.brokers ?? options.kafkaBrokers ?? "",
      directory,
      pids: {
        ...(guard.pid && { guard: guard.pid }),
        ...(postgres && { postgres: postgres.pid }),
        ...(kafka && { kafka: kafka.pid }),
      },
      servers: { ...(postgres && { postgres }), ...(kafka && { kafka }) },
      stop: () => (stopped ??= alive(stop)),
    };
  } catch (error) {
    await guard.end();
    throw error;
  }
}

/** `npm run stack`: runs until it is stopped. */
async function main(): Promise<void> {
  // While it still starts, leaving is enough: the guard does the rest.
  let stop = async () => {};
  let stopping = false;
  const end = async () => {
    // npm hands the terminal's Ctrl-C on to us, who have had it already.
    if (stopping) return;
    stopping = true;
    await stop();
    process.exit(0);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void end());
  try {
    const stack = await startStack({
      databaseUrl: process.env.DATABASE_URL,
      kafkaBrokers: process.env.KAFKA_BROKERS,
      log: (line) => console.error(line),
    });
    stop = stack.stop;
    console.log(`export DATABASE_URL=${stack.databaseUrl}`);
    console.log(`export KAFKA_BROKERS=${stack.kafkaBrokers}`);
    console.error("The database is empty: npx ccx migrate, or npm run samples, fills it.");
    console.log(`psql ${stack.databaseUrl}`);
    console.error(`Logs are in ${stack.directory}. Ctrl-C stops the stack and removes its data.`);
    setInterval(() => {}, 2 ** 30); // the stack itself keeps no process alive
  } catch (error) {
    console.error(error instanceof ConfigurationError ? error.message : error);
    process.exit(1);
  }
}

if (process.argv[1] === import.meta.filename) await main();
