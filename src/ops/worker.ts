import { parseCronItems, run, type TaskList, Logger as WorkerLogger } from "graphile-worker";
import type { Pool, PoolClient } from "pg";
import type { Logger } from "pino";
import decide from "../../tasks/decide.ts";
import deliverNotificationsBackend from "../../tasks/deliver_notifications_backend.ts";
import deliverServiceLog from "../../tasks/deliver_service_log.ts";
import sweep from "../../tasks/sweep.ts";
import { asConfigurationError, isDatabaseUnavailable } from "../db/errors.ts";

const tasks: TaskList = {
  decide,
  deliver_notifications_backend: deliverNotificationsBackend,
  deliver_service_log: deliverServiceLog,
  sweep,
};
/** Every task runs once at a time in a process, so with this many none has to wait for another. */
export const taskCount = Object.keys(tasks).length;

const cronItems = parseCronItems([
  {
    task: "sweep",
    identifier: "sweep",
    match: "* * * * *",
    options: { jobKey: "sweep", jobKeyMode: "preserve_run_at", backfillPeriod: 0, maxAttempts: 1 },
  },
]);

/** The jobs of this process. A job is a wake-up only: its work is in tables, so a lost job delays, no more. */
export interface Worker {
  /** Rejects when the worker ended unasked, or with ConfigurationError when the database is not to be had any more. */
  readonly failed: Promise<never>;
  /** Waits for the tasks that are running. */
  stop(): Promise<void>;
}

/**
 * Starts graphile-worker on the tasks. A task that this process is not configured for (`without`) stays in the queue for
 * a process that is.
 */
export async function startWorker(options: {
  pool: Pool;
  log: Logger;
  without: readonly string[];
}): Promise<Worker> {
  const { pool, log, without } = options;
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  const starting = run({
    pgPool: retrying(pool, failed.reject),
    taskList: Object.fromEntries(Object.entries(tasks).filter(([name]) => !without.includes(name))),
    parsedCronItems: cronItems,
    concurrency: taskCount,
    pollInterval: 1_000,
    noHandleSignals: true,
    logger: new WorkerLogger((scope) => (level, message) => {
      // its every job is one of our own lines already
      const ours = { error: "error", warning: "warn", info: "debug", debug: "trace" } as const;
      log[ours[level as keyof typeof ours] ?? "debug"]({ scope: scope.label }, message);
    }),
  });
  const runner = await Promise.race([starting, failed.promise]);
  let stopping = false;
  runner.promise.then(
    () => stopping || failed.reject(new Error("the worker ended unasked")),
    (error) => stopping || failed.reject(error),
  );
  return {
    failed: failed.promise,
    async stop() {
      stopping = true;
      await runner.stop();
    },
  };
}

/**
 * The pool as graphile-worker needs it. When the write that ends a job fails, it tries again for a few error codes only;
 * for any other, the process ends by an unhandled rejection. So an outage gets a code that it knows: 57P03. So does what
 * a person has to change (the database was dropped, the password is another one), after `giveUp` has been told of it.
 */
function retrying(pool: Pool, giveUp: (error: Error) => void): Pool {
  const rethrow = (error: unknown): never => {
    throw isDatabaseUnavailable(error) ? passing(error) : error;
  };
  const refused = (error: unknown): never => {
    const wrong = asConfigurationError(error);
    if (!wrong) return rethrow(error);
    giveUp(wrong);
    throw passing(error);
  };
  const connect = async (): Promise<PoolClient> => {
    // too late, and no harm: a job is only a wake-up
    if (pool.ending) return new Promise(() => undefined);
    const client = await pool.connect().catch(refused);
    const query = async (...args: Parameters<PoolClient["query"]>) => {
      try {
        return await client.query(...args);
      } catch (error) {
        return rethrow(error);
      }
    };
    return Object.create(client, { query: { value: query } });
  };
  return new Proxy(pool, {
    get(target, name) {
      // with a callback: for LISTEN, which comes back by itself
      if (name === "connect")
        return (callback?: Parameters<Pool["connect"]>[0]) =>
          callback ? target.connect(callback) : connect();
      const value = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function passing(error: unknown): Error {
  return Object.assign(error as Error, { code: "57P03" });
}
