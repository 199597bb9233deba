import { Logger as GraphileLogger, migrate as migrateGraphile } from "graphile-migrate";
import { runMigrations, Logger as WorkerLogger } from "graphile-worker";
import type { Pool, PoolClient } from "pg";
import type { Logger } from "pino";
import { ConfigurationError } from "../errors.ts";
import { stagingSchema } from "./adoption/phase.ts";
import { loadedObjects } from "./code_catalog.ts";
import { type CodeObject, readCode } from "./code_files.ts";
import { codeOf } from "./errors.ts";
import { isInStep, loadCode } from "./load_code.ts";
import { createPool } from "./pool.ts";
import { committedMigrations, databaseMigrations, migrationsFolder } from "./release.ts";
import { applyRoles } from "./roles.ts";
import { refuseForeignTables, requireServer } from "./server.ts";
import { waitForDatabase } from "./wait.ts";

/**
 * Brings the database up to date: graphile-worker's schema first, since our functions queue jobs, then the
 * tables (migrations/), then the code (sql/). Does nothing, and takes no lock, when it is up to date; a
 * second one at the same time waits for the first. `codeOnly` leaves out the tables, for graphile-migrate's
 * own commands. `withRoles` brings the roles of sql/roles/ as well. It waits for a database that is away, for
 * `waitSeconds` at most where that is given.
 * @throws ConfigurationError for what a person has to change: credentials, somebody's view in the way
 */
export async function migrate(
  databaseUrl: string,
  log: Logger,
  {
    codeOnly = false,
    withRoles = false,
    code,
    waitSeconds,
    lockTimeout,
  }: {
    codeOnly?: boolean;
    withRoles?: boolean;
    code?: readonly CodeObject[];
    waitSeconds?: number | undefined;
    /** how long a statement waits for a lock, as an interval of PostgreSQL; everybody else waits behind it */
    lockTimeout?: string;
  } = {},
): Promise<void> {
  const pool = createPool({ databaseUrl, size: 3, name: "ccx migrate", log });
  try {
    await waitFor(pool, log, waitSeconds);
    await requireServer(pool, { writes: true });
    await refuseForeignTables(pool);
    const wanted = code ?? (await readCode());
    const isMigrated = await isUpToDate(pool, wanted);
    if (isMigrated && !withRoles) return;
    const client = await pool.connect();
    try {
      // graphile-migrate takes a lock too, but gives up at once when it is taken
      await client.query("select pg_advisory_lock(hashtextextended('ccx migrate', 0))");
      if (!isMigrated) {
        await runMigrations({
          pgPool: pool,
          logger: new WorkerLogger(() => (_level, message) => log.debug(message)),
        });
        if (!codeOnly) await migrateTables(databaseUrl, log);
        await loadAndSay(client, log, wanted, lockTimeout);
      }
      if (withRoles) await applyRolesAndSay(client, log);
    } finally {
      client.release(true);
    }
  } finally {
    await pool.end();
  }
}

async function waitFor(pool: Pool, log: Logger, seconds: number | undefined): Promise<void> {
  if (seconds === undefined) return await waitForDatabase(pool, log);
  const signal = AbortSignal.timeout(seconds * 1_000);
  try {
    await waitForDatabase(pool, log, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new ConfigurationError(`The database of DATABASE_URL did not answer within ${seconds} s.`, {
      cause: error,
    });
  }
}

async function isUpToDate(pool: Pool, code: readonly CodeObject[]): Promise<boolean> {
  try {
    const run = await databaseMigrations(pool);
    const isMigrated = (await committedMigrations()).every((hash) => run.includes(hash));
    return isMigrated && isInStep(code, await loadedObjects(pool));
  } catch (error) {
    if (["42P01", "3F000"].includes(codeOf(error) ?? "")) return false; // nothing is there yet
    throw error;
  }
}

/**
 * Makes our tables in another schema than `public`, beside those of the services before us, and
 * graphile-worker's. `src/db/adoption.ts` moves them to their place.
 */
export async function buildBeside(pool: Pool, databaseUrl: string, log: Logger): Promise<void> {
  await runMigrations({
    pgPool: pool,
    logger: new WorkerLogger(() => (_level, message) => log.debug(message)),
  });
  await migrateTables(databaseUrl, log, stagingSchema);
}

async function migrateTables(databaseUrl: string, log: Logger, schema = "public"): Promise<void> {
  await migrateGraphile({
    connectionString: databaseUrl,
    migrationsFolder,
    pgSettings: { search_path: schema },
    logger: new GraphileLogger(
      () => (_level, message) => log.info(message.replace(/^graphile-migrate: /, "")),
    ),
  });
}

async function applyRolesAndSay(client: PoolClient, log: Logger): Promise<void> {
  const statements = await applyRoles(client, log);
  if (statements > 0) log.info({ statements }, "roles, policies and rights are in step with sql/roles/");
}

async function loadAndSay(
  client: PoolClient,
  log: Logger,
  code: readonly CodeObject[],
  lockTimeout?: string,
): Promise<void> {
  const { loaded, dropped } = await loadCode(client, log, code, lockTimeout);
  if (loaded.length + dropped.length > 0)
    log.info({ loaded: loaded.length, dropped }, "functions, views and triggers are in step with sql/");
}
