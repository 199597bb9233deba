import { watch as watchFiles } from "node:fs";
import path from "node:path";
import { Logger as GraphileLogger, watch as watchGraphile } from "graphile-migrate";
import type { Logger } from "pino";
import { stopSignal } from "../src/cli/stop.ts";
import { report } from "../src/cli.ts";
import { loadConfig, requireKeys } from "../src/config/config.ts";
import { readCode } from "../src/db/code_files.ts";
import { migrate } from "../src/db/migrate.ts";
import { migrationsFolder } from "../src/db/release.ts";
import { messageOf } from "../src/errors.ts";
import { createLogger } from "../src/log.ts";

/**
 * Migrates the database, then runs current.sql and loads sql/ whenever one of them changes, until the signal
 * is aborted. What fails is logged, and tried again with the next change.
 */
export async function watch(options: {
  databaseUrl: string;
  log: Logger;
  signal: AbortSignal;
  migrations?: string;
  sql?: string;
}): Promise<void> {
  const { databaseUrl, log, signal, migrations = migrationsFolder } = options;
  const { sql = path.join(migrationsFolder, "../sql") } = options;
  let changed = Promise.withResolvers<void>();
  const note = () => changed.resolve();
  const watchers = [watchFiles(migrations, note), watchFiles(sql, { recursive: true }, note)];
  signal.addEventListener("abort", note, { once: true });
  try {
    await migrate(databaseUrl, log);
    while (!signal.aborted) {
      changed = Promise.withResolvers();
      try {
        await runCurrent(databaseUrl, migrations, log);
        await migrate(databaseUrl, log, { codeOnly: true, code: await readCode(sql) });
        log.info("the database is as the files are, waiting for changes");
      } catch (error) {
        log.error(messageOf(error));
      }
      await changed.promise;
    }
  } finally {
    for (const watcher of watchers) watcher.close();
  }
}

async function runCurrent(connectionString: string, folder: string, log: Logger): Promise<void> {
  await watchGraphile(
    {
      connectionString,
      migrationsFolder: folder,
      pgSettings: { search_path: "public" },
      logger: new GraphileLogger(() => (_level, message) => log.debug(message)),
    },
    true,
  );
}

/** `npm run watch`: on the database of DATABASE_URL. */
async function main(): Promise<void> {
  const config = loadConfig({ env: process.env });
  requireKeys(config, ["databaseUrl"]);
  const log = createLogger(config.logLevel);
  await watch({ databaseUrl: config.databaseUrl, log, signal: stopSignal(log) });
}

if (process.argv[1] === import.meta.filename)
  await main().catch((error) => {
    process.exitCode = report(error);
  });
