import type { Pool } from "pg";
import { dropEverything, emptyTables, missingTables, truncateReported } from "../db/adoption/drop.ts";
import { phaseOf, whyNotOurs } from "../db/adoption/phase.ts";
import { codeOf } from "../db/errors.ts";
import { migrate } from "../db/migrate.ts";
import { databaseMigrations } from "../db/release.ts";
import { ConfigurationError } from "../errors.ts";
import { createLogger, type Logger } from "../log.ts";
import * as sql from "./sql.ts";

/**
 * What the notification writer's command does to its database, on a database of ours, adopted or not. Each
 * function takes a pool and returns plain data, without their traps: a version that is no number changes
 * nothing, an age of nothing deletes nothing, and nobody who only reads is waited for.
 */

/** The newest version of the writer's schema; our tables are always of that one. */
const latestVersion = 8;

/** Tables whose rows grow old. */
const oldTables = ["new_reports", "reported", "read_errors"] as const;
export type OldTable = (typeof oldTables)[number];
export type { OldRow } from "./sql.ts";

const batchSize = 10_000;
const silent = createLogger("silent");

/** Where the pool connects to: a migration needs connections of its own. */
function urlOf(pool: Pool): string {
  const url = pool.options.connectionString;
  if (url === undefined) throw new Error("the pool was made without a connection string");
  return url;
}

/** @throws ConfigurationError where the tables are not ours, or not yet, or not any more */
async function refuseTheirs(pool: Pool): Promise<void> {
  const why = whyNotOurs(await phaseOf(pool));
  if (why !== undefined) throw new ConfigurationError(why);
}

async function isMigrated(pool: Pool): Promise<boolean> {
  try {
    return (await databaseMigrations(pool)).length > 0;
  } catch (error) {
    if (["42P01", "3F000"].includes(codeOf(error) ?? "")) return false;
    throw error;
  }
}

/**
 * Makes all tables, rows and functions (`--db-init`) in an empty database. Where somebody has dropped some of
 * the writer's tables, everything of ours is made anew. False when nothing was missing.
 * @throws ConfigurationError when the tables are the writer's own
 */
export async function initTables(pool: Pool, log: Logger = silent): Promise<{ created: boolean }> {
  await refuseTheirs(pool);
  const migrated = await isMigrated(pool);
  if (migrated && (await missingTables(pool)).length === 0) return { created: false };
  if (migrated) await dropEverything(pool);
  await migrate(urlOf(pool), log);
  return { created: true };
}

/**
 * Makes sure that `migration_info` names one version (`--db-init-migration`); where there are no tables at
 * all, they are made first.
 */
export async function initMigrations(
  pool: Pool,
  log: Logger = silent,
): Promise<{ created: boolean; version: number }> {
  const { created } = await initTables(pool, log);
  const version = await sql.schemaVersion(pool);
  if (version !== null) return { created, version };
  const { after } = await sql.setSchemaVersion(pool, "latest");
  return { created: true, version: after };
}

/**
 * Notes a version, 0 to 8 or `latest` (`--migrate`). Our tables are those of version 8 whatever it says, so
 * nothing is lost on the way down.
 * @throws the refusal NTM03 for anything else
 */
export async function migrateTo(pool: Pool, version: string | number): Promise<sql.VersionSet> {
  await refuseTheirs(pool);
  return await sql.setSchemaVersion(pool, String(version));
}

/**
 * Which version is noted, and which is the newest (`--migration-info`); 0: there are no tables; null: none is
 * noted, or several are.
 */
export async function migrationInfo(pool: Pool): Promise<{ current: number | null; latest: number }> {
  await refuseTheirs(pool);
  const current = (await isMigrated(pool)) ? await sql.schemaVersion(pool) : 0;
  return { current, latest: latestVersion };
}

/**
 * Deletes what is older than an age, an interval of PostgreSQL such as "8 days" (`--new-reports-cleanup`,
 * `--old-reports-cleanup`, `--read-errors-cleanup`), some thousand rows at a time. Returns how many rows of
 * each of these tables went.
 * @throws the refusal NTM01 where the age is none, or not positive
 */
export async function cleanup(
  pool: Pool,
  maxAge: string,
  tables: readonly OldTable[] = oldTables,
): Promise<{ table: OldTable; deleted: number }[]> {
  await refuseTheirs(pool);
  const done: { table: OldTable; deleted: number }[] = [];
  for (const table of tables) {
    let deleted = 0;
    for (let batch = 1; batch > 0; deleted += batch)
      batch = await sql.deleteOldRows(pool, table, maxAge, batchSize);
    done.push({ table, deleted });
  }
  return done;
}

/**
 * The rows that `cleanup` would delete, oldest first (`--print-new-reports-for-cleanup` and the like).
 * @throws the refusal NTM01 where the age is none, or not positive
 */
export async function printOld(
  pool: Pool,
  maxAge: string,
  tables: readonly OldTable[] = oldTables,
): Promise<{ table: OldTable; rows: sql.OldRow[] }[]> {
  await refuseTheirs(pool);
  const found: { table: OldTable; rows: sql.OldRow[] }[] = [];
  for (const table of tables) found.push({ table, rows: await sql.oldRows(pool, table, maxAge) });
  return found;
}

/**
 * Deletes every report, everything that was notified, every read error (`--db-cleanup`). What other programs
 * know stays: states, types and targets, and the version, without which theirs would not start again.
 */
export async function emptyDatabase(pool: Pool): Promise<{ table: string; deleted: number }[]> {
  await refuseTheirs(pool);
  return await emptyTables(pool);
}

/** Drops all tables and everything else of ours (`--db-drop-tables`); returns the names of the tables. */
export async function dropTables(pool: Pool): Promise<{ dropped: string[] }> {
  await refuseTheirs(pool);
  return { dropped: await dropEverything(pool) };
}

/**
 * Empties `reported` (`--truncate-old-reports`), and gives its room back at once unless somebody reads it:
 * then its rows are deleted, and nobody is waited for. The ledger stays, so nobody is notified again.
 */
export async function truncateOldReports(pool: Pool): Promise<{ truncated: boolean; deleted: number }> {
  await refuseTheirs(pool);
  return await truncateReported(pool);
}
