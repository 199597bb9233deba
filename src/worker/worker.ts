import { EventEmitter } from "node:events";
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
import decide from "../../tasks/decide.ts";
import deliverNotificationsBackend from "../../tasks/deliver_notifications_backend.ts";
import deliverServiceLog from "../../tasks/deliver_service_log.ts";
import fetchContent from "../../tasks/fetch_content.ts";
import forwardRejected from "../../tasks/forward_rejected.ts";
import retain from "../../tasks/retain.ts";
import sweep from "../../tasks/sweep.ts";
import { startHeartbeat } from "./heartbeat.ts";
import { workerPool } from "./worker_pool.ts";

const tasks: TaskList = {
  decide,
  deliver_notifications_backend: deliverNotificationsBackend,
  deliver_service_log: deliverServiceLog,
  fetch_content: fetchContent,
  forward_rejected: forwardRejected,
  retain,
  sweep,
};
/** Every task runs once at a time in a process, so with this many none has to wait for another. */
export const taskCount = Object.keys(tasks).length;

const everyMinute = "* * * * *";
const everyFiveMinutes = "*/5 * * * *";
const everyHour = "17 * * * *";

/** A job that nobody has taken yet is not added again, and one that fails waits for its next time. */
const cronItem = (task: string, match: string): CronItem => ({
  task,
  identifier: task,
  match,
  options: { jobKey: task, jobKeyMode: "preserve_run_at", backfillPeriod: 0, maxAttempts: 1 },
});
const crontab = [
  cronItem("sweep", everyMinute),
  cronItem("forward_rejected", everyMinute),
  cronItem("fetch_content", everyFiveMinutes),
  cronItem("retain", everyHour),
];

/** The jobs of this process. A job is a wake-up only: its work is in tables, so a lost job delays, no more. */
export interface Worker {
  /** Rejects when the worker ended unasked; with ConfigurationError when a person has to make the database answer. */
  readonly failed: Promise<never>;
  /** Waits for the tasks that are running, unless the database is away: then they cannot record anything. */
  stop(): Promise<void>;
}

/**
 * Starts graphile-worker on the tasks. A task that this process is not configured for (`without`) stays in the queue for
 * a process that is, and is not put there by this one.
 */
export async function startWorker(options: {
  pool: Pool;
  log: Logger;
  without: readonly string[];
  /** what this process does, for people who look at the table `worker` */
  roles: readonly string[];
}): Promise<Worker> {
  const { pool, log, without, roles } = options;
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
    taskList: Object.fromEntries(Object.entries(tasks).filter(([name]) => !without.includes(name))),
    parsedCronItems: parseCronItems(crontab.filter(({ task }) => !without.includes(task))),
    concurrency: taskCount,
    pollInterval: 1_000,
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
  const leave = startHeartbeat({ pool, log, roles, poolId: await poolId });
  let ended = false;
  const end = () => {
    ended = true;
  };
  runner.promise.then(end, end);
  runner.promise.then(
    () => stopping.signal.aborted || failed.reject(new Error("the worker ended unasked")),
    (error) => stopping.signal.aborted || failed.reject(error),
  );
  return {
    failed: failed.promise,
    async stop() {
      stopping.abort();
      const stopped = (ended ? Promise.resolve() : runner.stop()).then(leave);
      await Promise.race([stopped, unreachable.promise]);
    },
  };
}
