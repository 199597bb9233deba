import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type CronItem,
  parseCronItems,
  run,
  type TaskList,
  type WorkerEvents,
  Logger as WorkerLogger,
} from "graphile-worker";
import type { Pool } from "pg";
import type { Logger } from "pino";
import { startHeartbeat } from "./heartbeat.ts";
import { workerPool } from "./worker_pool.ts";

const everyMinute = "* * * * *";
const everyFiveMinutes = "*/5 * * * *";
const everyHour = "17 * * * *";

/** An orchestrator waits for ten seconds or more; the parts that end after this one need some of it. */
const defaultStopWithinMs = 7_000;

/** A job that nobody has taken yet is not added again, and one that fails waits for its next time. */
const cronItem = (task: string, match: string): CronItem => ({
  task,
  identifier: task,
  match,
  options: { jobKey: task, jobKeyMode: "preserve_run_at", backfillPeriod: 0, maxAttempts: 1 },
});
const crontab = [
  cronItem("sweep", everyMinute),
  cronItem("survey", everyMinute),
  cronItem("forward_rejected", everyMinute),
  cronItem("fetch_content", everyFiveMinutes),
  cronItem("fetch_registry", everyFiveMinutes),
  cronItem("retain", everyHour),
  cronItem("tidy_archives", everyHour),
];

/**
 * The jobs of this process. A job is a wake-up only: its work is in tables, so a lost job delays, no more.
 */
export interface Worker {
  /**
   * Rejects when the worker ended unasked; with ConfigurationError when a person has to make the database
   * answer.
   */
  readonly failed: Promise<never>;
  /**
   * Waits for the tasks that are running, for seven seconds at most: a database that is away, frozen, locked
   * or read-only does not let them end. What they had claimed is due again when its lease ends, and another
   * process frees their jobs once this one has been silent for 90 seconds.
   */
  stop(): Promise<void>;
}

/**
 * Starts graphile-worker on the tasks, by their names. A task that is not among them, since this process is
 * not configured for it, stays in the queue for a process that is, and is not put there by this one.
 */
export async function startWorker(options: {
  pool: Pool;
  log: Logger;
  tasks: TaskList;
  /** what this process does, for people who look at the table `worker` */
  roles: readonly string[];
  /** how long stop() waits for what is running; 7,000 */
  stopWithinMs?: number;
}): Promise<Worker> {
  const { pool, log, tasks, roles, stopWithinMs = defaultStopWithinMs } = options;
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  const unreachable = Promise.withResolvers<void>();
  const stopping = new AbortController();
  let running = false;
  const events: WorkerEvents = new EventEmitter();
  const poolId = new Promise<string>((resolve) => {
    events.once("pool:create", ({ workerPool }) => resolve(workerPool.id));
  });
  const starting = run({
    pgPool: workerPool(pool, {
      giveUp: failed.reject,
      isRunning: () => running,
      stopping: stopping.signal,
      onUnreachable: unreachable.resolve,
    }),
    taskList: tasks,
    parsedCronItems: parseCronItems(crontab.filter(({ task }) => Object.hasOwn(tasks, task))),
    // every task runs once at a time in a process, so with this many none has to wait for another
    concurrency: Object.keys(tasks).length,
    pollInterval: 1_000,
    // tasks hear at once that they are to stop, not after five seconds
    gracefulShutdownAbortTimeout: 0,
    noHandleSignals: true,
    events,
    logger: new WorkerLogger((scope) => (level, message) => {
      // its every job is one of our own lines already
      const ours = { error: "error", warning: "warn", info: "debug", debug: "trace" } as const;
      log[ours[level as keyof typeof ours] ?? "debug"]({ scope: scope.label }, message);
    }),
  });
  const runner = await Promise.race([starting, failed.promise]);
  running = true;
  const heartbeat = startHeartbeat({ pool, log, roles, poolId: await poolId });
  // the connection that listens is always open: it breaks with every outage
  events.on("pool:listen:error", () => heartbeat.lost());
  let ended = false;
  const end = () => {
    ended = true;
  };
  runner.promise.then(end, end);
  runner.promise.then(
    () => stopping.signal.aborted || failed.reject(new Error("the worker ended unasked")),
    (error) => stopping.signal.aborted || failed.reject(error),
  );
  const stop = async () => {
    stopping.abort();
    const stopped = (ended ? Promise.resolve() : runner.stop()).then(() => heartbeat.stop());
    stopped.catch(() => undefined); // when it is too late, nobody hears of it
    const inTime = new AbortController();
    const tooLate = sleep(stopWithinMs, true, { signal: inTime.signal }).catch(() => false);
    try {
      if (await Promise.race([stopped, unreachable.promise, tooLate]))
        log.warn({ waitedMs: stopWithinMs }, "tasks cannot end, leaving them; nothing is lost");
    } finally {
      inTime.abort();
    }
  };
  let asked: Promise<void> | undefined;
  return {
    failed: failed.promise,
    stop() {
      asked ??= stop();
      return asked;
    },
  };
}
