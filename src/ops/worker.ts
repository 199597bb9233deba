import { join } from "node:path";
import { parseCronItems, run, Logger as WorkerLogger } from "graphile-worker";
import type { Pool } from "pg";
import type { Logger } from "pino";

const taskDirectory = join(import.meta.dirname, "../../tasks");

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
  /** Rejects when the worker ended unasked. */
  readonly failed: Promise<never>;
  /** Waits for the tasks that are running. */
  stop(): Promise<void>;
}

/** Starts graphile-worker on the tasks folder. */
export async function startWorker(options: {
  pool: Pool;
  log: Logger;
  concurrency: number;
}): Promise<Worker> {
  const { pool, log, concurrency } = options;
  const runner = await run({
    pgPool: pool,
    taskDirectory,
    parsedCronItems: cronItems,
    concurrency,
    pollInterval: 1_000,
    noHandleSignals: true,
    logger: new WorkerLogger((scope) => (level, message) => {
      // its every job is one of our own lines already
      const ours = { error: "error", warning: "warn", info: "debug", debug: "trace" } as const;
      log[ours[level as keyof typeof ours] ?? "debug"]({ scope: scope.label }, message);
    }),
  });
  const failed = Promise.withResolvers<never>();
  let stopping = false;
  runner.promise.then(
    () => stopping || failed.reject(new Error("the worker ended unasked")),
    (error) => stopping || failed.reject(error),
  );
  failed.promise.catch(() => undefined);
  return {
    failed: failed.promise,
    async stop() {
      stopping = true;
      await runner.stop();
    },
  };
}
