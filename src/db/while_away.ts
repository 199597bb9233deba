import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { ConfigurationError, messageOf } from "../errors.ts";
import { asConfigurationError, codeOf, isDatabaseUnavailable } from "./errors.ts";
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
      if (isDatabaseUnavailable(error)) log.warn(context, "database is away, nothing is lost, trying again");
      else log.error({ ...context, code: codeOf(error) }, `${refused}, nothing is lost, trying again`);
      await sleep(waitMs, undefined, { signal }).catch(() => undefined);
      if (!isWanted()) return undefined;
    }
  }
}
