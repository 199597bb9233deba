import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import type { Logger } from "pino";
import { messageOf } from "../errors.ts";
import { asConfigurationError, mayPass, troubleOf } from "./errors.ts";

/** Waits between tries: 0.25 s, 0.5 s, 1 s … up to 15 s. */
export function backoffMs(attempt: number): number {
  return Math.min(250 * 2 ** (attempt - 1), 15_000);
}

/**
 * Waits until the database answers, and `check` of it (its release, for one) ended without losing it. Throws
 * what `untilDatabaseAnswers` does.
 */
export async function waitForDatabase(
  pool: Pool,
  log: Logger,
  signal?: AbortSignal,
  check: () => Promise<void> = async () => undefined,
): Promise<void> {
  const work = async () => {
    await pool.query("select 1");
    await check();
  };
  await untilDatabaseAnswers(work, log, signal);
}

/**
 * Repeats `work` until it ended without losing the database. Throws ConfigurationError when waiting cannot
 * help (credentials, name, migrations), what else `work` throws, and the signal's reason when it is aborted.
 */
export async function untilDatabaseAnswers<T>(
  work: () => Promise<T>,
  log: Logger,
  signal?: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      const result = await work();
      if (attempt > 1) log.info("database is there");
      return result;
    } catch (error) {
      const wrong = asConfigurationError(error);
      if (wrong) throw wrong;
      if (!mayPass(error)) throw error;
      signal?.throwIfAborted();
      const waitMs = backoffMs(attempt);
      log.warn({ error: messageOf(error), waitMs }, "database is away, trying again");
      await sleep(waitMs, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
    }
  }
}

/** Eight seconds in all: no lease ends meanwhile. */
const triesWhileMigrated = 6;

/**
 * Tries a single statement, or a whole transaction, again while a release is being loaded under it, or
 * somebody else's transaction is in its way.
 */
export async function whileMigrated<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (troubleOf(error) !== "in_the_way" || attempt === triesWhileMigrated) throw error;
      await sleep(backoffMs(attempt));
    }
  }
}
