import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { ConfigurationError, messageOf } from "../errors.ts";
import { asConfigurationError, codeOf, type Trouble, troubleOf } from "./errors.ts";
import { backoffMs } from "./wait.ts";

export type WhileAway = {
  log: Logger;
  /** What the log says besides the error. */
  context: object;
  /** What fails, for the log, when the database is there and refuses: "messages cannot be stored". */
  refused: string;
  /** Ends a wait. */
  signal: AbortSignal;
  /** Asked after each wait: false when nobody needs the answer any more. */
  isWanted: () => boolean;
};

const passes: Partial<Record<Trouble, string>> = {
  away: "database is away",
  in_the_way: "somebody else's transaction is in the way",
  of_the_work: "the database did not get it done in time",
};

/**
 * Repeats `work` while the database cannot do it, with longer and longer waits; undefined when the answer is
 * not wanted any more.
 * @throws ConfigurationError when waiting cannot help, or `work` says so
 */
export async function whileAway<T>(work: () => Promise<T>, options: WhileAway): Promise<T | undefined> {
  const { log, refused, signal, isWanted } = options;
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const wrong = error instanceof ConfigurationError ? error : asConfigurationError(error);
      if (wrong) throw wrong;
      const waitMs = backoffMs(attempt);
      const context = { ...options.context, error: messageOf(error), waitMs };
      const passing = passes[troubleOf(error)];
      if (passing) log.warn(context, `${passing}, nothing is lost, trying again`);
      else log.error({ ...context, code: codeOf(error) }, `${refused}, nothing is lost, trying again`);
      await sleep(waitMs, undefined, { signal }).catch(() => undefined);
      if (!isWanted()) return undefined;
    }
  }
}
