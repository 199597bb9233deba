import type { Pool } from "pg";
import { dropTables as dropOurs } from "../../db/drop_tables.ts";
import { migrate } from "../../db/migrate.ts";
import { requireSameRelease } from "../../db/release.ts";
import type { Logger } from "../../log.ts";
import { Ended } from "../ended.ts";
import * as sql from "../sql.ts";

/** What an operation on the tables needs. */
export type Operation = { pool: Pool; databaseUrl: string; log: Logger };

/** The version of the incumbent's schema that our tables stand for, whatever is asked. */
const latest = 8;

/** Makes all tables, their rows and functions; does nothing where they are there. */
export async function initialize({ databaseUrl, log }: Operation): Promise<void> {
  await migrate(databaseUrl, log, { waitSeconds: 10 });
}

/** The version of the incumbent's schema: all of it, or nothing. */
export async function schemaVersion({ pool }: Operation): Promise<{ current: number; latest: number }> {
  const isThere = await requireSameRelease(pool).then(
    () => true,
    () => false,
  );
  return { current: isThere ? latest : 0, latest };
}

/**
 * Makes sure that the tables are there. They are those of the newest version whatever it says, so nothing is
 * lost on the way down; what is no number is a mistake, not a way to version 0.
 * @throws Ended with code 7
 */
export async function migrateTo(operation: Operation, wanted: string): Promise<void> {
  if (wanted !== "latest" && !/^\d{1,9}$/.test(wanted))
    throw new Ended(7, `--migrate needs a number or "latest", not ${JSON.stringify(wanted)}`);
  if (Number(wanted) > latest)
    throw new Ended(7, `invalid target version (available version range is 0-${latest})`);
  await initialize(operation);
}

/** Deletes every report and what was reported. */
export async function cleanUp({ pool }: Pick<Operation, "pool">): Promise<void> {
  await sql.forgetReports(pool);
}

/** Gives the room of `reported` back. */
export async function truncateReported({ pool }: Pick<Operation, "pool">): Promise<void> {
  await sql.emptyReported(pool);
}

/** Drops all tables that are ours, and what depends on them. */
export async function dropTables({ pool }: Pick<Operation, "pool">): Promise<void> {
  await dropOurs(pool);
}

/** The rows of a table whose report is older than an interval, oldest first. */
export const oldRows = (pool: Pool, table: sql.OldTable, maxAge: string): Promise<sql.OldRow[]> =>
  sql.oldRows(pool, table, maxAge);

/** Deletes them; returns how many. */
export const deleteOldRows = (pool: Pool, table: sql.OldTable, maxAge: string): Promise<number> =>
  sql.deleteOldRows(pool, table, maxAge);
