import type { Pool } from "pg";
import { dropTables as dropOurs } from "../../db/drop_tables.ts";
import { migrate } from "../../db/migrate.ts";
import { requireSameRelease } from "../../db/release.ts";
import type { Logger } from "../../log.ts";
import { Ended } from "../ended.ts";
import { emptyReported, forgetReports } from "../sql.ts";

/** What an operation of the writer needs. */
export type Operation = { pool: Pool; databaseUrl: string; log: Logger };

/** The version of the incumbent's schema that our tables stand for. */
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
 * Brings the tables to a version of the incumbent's schema. Ours have all of it at once, so there is no way to
 * an older one; what is no number is a mistake, not a way back to nothing.
 */
export async function migrateTo(operation: Operation, wanted: string): Promise<void> {
  if (wanted !== "latest" && !/^\d{1,9}$/.test(wanted))
    throw new Ended(7, `--migrate needs a number or "latest", not ${JSON.stringify(wanted)}`);
  const version = wanted === "latest" ? latest : Number(wanted);
  if (version > latest) throw new Ended(7, `invalid target version (available version range is 0-${latest})`);
  if (version < latest)
    throw new Ended(7, `these tables stand for version ${latest}, there is no way back to ${version}`);
  await initialize(operation);
}

/** Deletes every report and what was reported. */
export async function cleanUp({ pool }: Operation): Promise<void> {
  await forgetReports(pool);
}

/** Gives the room of `reported` back. */
export async function truncateReported({ pool }: Operation): Promise<void> {
  await emptyReported(pool);
}

/** Drops all tables that are ours, and what depends on them. */
export async function dropTables({ pool }: Operation): Promise<void> {
  await dropOurs(pool);
}
