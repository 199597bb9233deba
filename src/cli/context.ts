import type pg from "pg";
import { type Config, loadConfig, requireKeys } from "../config/config.ts";
import { asConfigurationError } from "../db/errors.ts";
import { createPool } from "../db/pool.ts";
import { createReader } from "../db/reader.ts";
import { requireSession } from "../db/server.ts";
import { createLogger, type Logger } from "../log.ts";
import { visible } from "./output.ts";

/** What a command starts from. */
export type Context = {
  config(): { config: Config; log: Logger };
  /** Calls `work` with a connection to the configured database, or so many at most, and closes it. */
  withDatabase<T>(work: (pool: pg.Pool) => Promise<T>, connections?: number): Promise<T>;
  /**
   * The same for what is only asked: a standby answers where there is one that is fresh, and stderr says so.
   */
  question<T>(work: (pool: pg.Pool) => Promise<T>): Promise<T>;
};

/** `file`: what `--config` names, asked when a command runs. */
export function createContext(file: () => string | undefined): Context {
  const config = () => {
    const loaded = loadConfig({ env: process.env, file: file() });
    return { config: loaded, log: createLogger(loaded.logLevel) };
  };
  const withDatabase: Context["withDatabase"] = async (work, connections = 1) => {
    const { config: loaded, log } = config();
    requireKeys(loaded, ["databaseUrl"]);
    const pool = createPool({
      ...{ databaseUrl: loaded.databaseUrl, size: connections, name: "ccx", log },
      onConnect: requireSession,
    });
    pool.on("connect", (client) => client.on("notice", say));
    try {
      return await work(pool).catch(withoutWaiting);
    } finally {
      await pool.end();
    }
  };
  return {
    config,
    withDatabase,
    question: (work) =>
      withDatabase(async (primary) => {
        const { config: loaded } = config();
        const { databaseReadUrl: readUrl, databaseReadMaxAgeSeconds: maxAgeSeconds } = loaded;
        const reader = createReader({
          ...{ primary, readUrl, maxAgeSeconds, size: 1, name: "ccx" },
          log: createLogger("silent"), // stdout belongs to the answer
        });
        try {
          return await reader.read(async ({ pool, ageSeconds }) => {
            const answer = await work(pool);
            if (ageSeconds !== undefined)
              console.error(`ccx: from the standby, at most ${Math.ceil(ageSeconds)} s old`);
            else if (readUrl !== undefined)
              console.error("ccx: from the primary; the standby is away or too old");
            return answer;
          });
        } finally {
          await reader.end();
        }
      }),
  };
}

/** What the database remarks on a request that it carries out: a name that nobody knows. */
function say({
  severity,
  message,
  hint,
}: {
  severity?: string | undefined;
  message?: string | undefined;
  hint?: string | undefined;
}): void {
  if (severity === "NOTICE") console.error(`ccx: ${visible([message, hint].filter(Boolean).join(". "))}`);
}

/** For what does not wait for a database that is away. */
export function withoutWaiting(error: unknown): never {
  throw asConfigurationError(error, true) ?? error;
}
