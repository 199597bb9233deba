import { setTimeout as sleep } from "node:timers/promises";
import type { Pool, PoolClient } from "pg";
import { asConfigurationError, mayPass } from "../db/errors.ts";
import { backoffMs } from "../db/wait.ts";
import type { ConfigurationError } from "../errors.ts";

export type WorkerPoolOptions = {
  /**
   * Called with what a person has to change before there is a connection again: the database was dropped, the
   * password is another.
   */
  giveUp(error: ConfigurationError): void;
  /** False while graphile-worker starts: then it hears at once that there is no connection. */
  isRunning(): boolean;
  stopping: AbortSignal;
  /** Called when there is no connection and we are to stop: whoever asked for one never gets an answer. */
  onUnreachable(): void;
};

/**
 * The pool as graphile-worker needs it. When the write that ends a job fails, it tries again for a few error
 * codes only; for any other, the process ends by an unhandled rejection. And what it tries again, a stop
 * cannot interrupt. So it gets a connection when there is one, and a connection that breaks has a code that
 * it knows: 57P03.
 */
export function workerPool(pool: Pool, options: WorkerPoolOptions): Pool {
  const { giveUp, isRunning, stopping, onUnreachable } = options;
  const connect = async (): Promise<PoolClient> => {
    for (let attempt = 1; !pool.ending; attempt++) {
      try {
        return withKnownCodes(await pool.connect());
      } catch (error) {
        const wrong = asConfigurationError(error);
        if (wrong) giveUp(wrong);
        else if (!mayPass(error) || !isRunning()) throw withKnownCode(error);
      }
      await sleep(backoffMs(attempt), undefined, { signal: stopping }).catch(() => undefined);
      if (stopping.aborted) break;
    }
    // too late, and no harm: a job is only a wake-up
    onUnreachable();
    return new Promise(() => undefined);
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

function withKnownCodes(client: PoolClient): PoolClient {
  const query = async (...args: Parameters<PoolClient["query"]>) => {
    try {
      return await client.query(...args);
    } catch (error) {
      throw withKnownCode(error);
    }
  };
  return Object.create(client, { query: { value: query } });
}

function withKnownCode(error: unknown): unknown {
  return mayPass(error) ? Object.assign(error as Error, { code: "57P03" }) : error;
}
