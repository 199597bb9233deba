import type { Pool } from "pg";
import { loadConfig } from "../../src/config/config.ts";
import type { WhoMay } from "../../src/console/person.ts";
import { consoleRoom } from "../../src/console/plugin.ts";
import { createPool } from "../../src/db/pool.ts";
import { bodyOptionsOf, shownMessage } from "../../src/deliver/shown.ts";
import { startServer } from "../../src/http/server.ts";
import { retryRejected } from "../../src/ingest/retry.ts";
import { createLogger } from "../../src/log.ts";

export type TestConsole = AsyncDisposable & { url: string; port: number };

/** The console on a free port of this machine, as `ccx serve` mounts it. */
export async function startConsole(
  databaseUrl: string,
  who: Partial<WhoMay> = {},
  port = 0,
): Promise<TestConsole> {
  const log = createLogger("silent");
  const room = consoleRoom({
    pool: createPool({ databaseUrl, size: 4, name: "ccx console", log }),
    databaseUrl,
    log,
    release: "test",
    who: { tokensFile: undefined, trustedProxies: [], identityHeader: "x-rh-identity", ...who },
    show: (db, id) => shownMessage(db as Pool, id, log, bodyOptionsOf(loadConfig({ env: {} }))),
    async retry(db, id) {
      const { stored, replaced, unchanged, rejected, done_already } = await retryRejected(db as Pool, {
        places: [id],
      });
      return { stored: stored + replaced + unchanged, rejected, others: done_already };
    },
  });
  const server = await startServer({ host: "127.0.0.1", port, routes: {}, rooms: [room] }, log);
  return {
    url: `http://127.0.0.1:${server.port}/console`,
    port: server.port,
    [Symbol.asyncDispose]: () => server.close(),
  };
}
