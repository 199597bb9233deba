import { join } from "node:path";
import { Logger as GraphileLogger, migrate as migrateGraphile } from "graphile-migrate";
import { runMigrations, Logger as WorkerLogger } from "graphile-worker";
import type { Logger } from "pino";
import { createPool } from "./pool.ts";
import { waitForDatabase } from "./wait.ts";

const migrationsFolder = join(import.meta.dirname, "../../migrations");

/**
 * Brings the database up to date: graphile-worker's schema first, since our triggers queue jobs, then ours. Does
 * nothing when it is up to date; a second one at the same time waits for the first.
 * Throws ConfigurationError for credentials and the like.
 */
export async function migrate(databaseUrl: string, log: Logger): Promise<void> {
  const pool = createPool({ databaseUrl, size: 3, name: "ccx migrate", log });
  try {
    await waitForDatabase(pool, log);
    const client = await pool.connect();
    try {
      // graphile-migrate takes a lock too, but gives up at once when it is taken
      await client.query("select pg_advisory_lock(hashtextextended('ccx migrate', 0))");
      await runMigrations({
        pgPool: pool,
        logger: new WorkerLogger(() => (_level, message) => log.debug(message)),
      });
      await migrateGraphile({
        connectionString: databaseUrl,
        migrationsFolder,
        pgSettings: { search_path: "public" },
        logger: new GraphileLogger(
          () => (_level, message) => log.info(message.replace(/^graphile-migrate: /, "")),
        ),
      });
    } finally {
      client.release(true);
    }
  } finally {
    await pool.end();
  }
}
