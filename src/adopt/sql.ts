import { z } from "zod";
import { type AnyRow, anyRow, type Db, rowOf, rowsOf } from "../db/rows.ts";

export type ReportKey = { org: string; cluster: string; at: string };

const reportsSeen = z.object({
  last_org: z.string(),
  last_cluster: z.string(),
  last_at: z.string(),
  seen: z.number(),
});

/** Shows the next reports to the triggers that have not seen them; undefined when there are no more. */
export const seeReports = async (
  db: Db,
  after: ReportKey,
  batchSize: number,
): Promise<z.infer<typeof reportsSeen> | undefined> =>
  (
    await rowsOf(db, reportsSeen, "select * from ccx.see_reports($1, $2, $3, $4)", [
      after.org,
      after.cluster,
      after.at,
      batchSize,
    ])
  )[0];

/** Notes what others sent before there were triggers; returns how many rows. */
export const seeReported = async (db: Db): Promise<number> =>
  (await rowOf(db, z.object({ seen: z.number() }), "select ccx.see_reported() as seen")).seen;

const reportsGiven = z.object({
  last_org: z.string(),
  last_cluster: z.string(),
  last_at: z.string(),
  given: z.number(),
  left_out: z.number(),
});

/** Writes the next reports to the old table; undefined when there are no more. */
export const giveBackReports = async (
  db: Db,
  after: ReportKey,
  batchSize: number,
): Promise<z.infer<typeof reportsGiven> | undefined> =>
  (
    await rowsOf(db, reportsGiven, "select * from ccx.give_back_reports($1, $2, $3, $4)", [
      after.org,
      after.cluster,
      after.at,
      batchSize,
    ])
  )[0];

const reportedGiven = reportsGiven.extend({ last_target: z.number() });

/** The same for `reported`. */
export const giveBackReported = async (
  db: Db,
  after: ReportKey & { target: number },
  batchSize: number,
): Promise<z.infer<typeof reportedGiven> | undefined> =>
  (
    await rowsOf(db, reportedGiven, "select * from ccx.give_back_reported($1, $2, $3, $4, $5)", [
      after.org,
      after.cluster,
      after.at,
      after.target,
      batchSize,
    ])
  )[0];

/** Writes the read errors that were added to the old table; returns how many. */
export const giveBackReadErrors = async (db: Db): Promise<number> =>
  (await rowOf(db, z.object({ given: z.number() }), "select ccx.give_back_read_errors() as given")).given;

const oldRow = z.object({
  org_id: z.string(),
  account_number: z.string(),
  cluster: z.string(),
  updated_at: z.string(),
  age_days: z.number(),
});

/** A row of which the report is older than an age. */
export type OldRow = z.infer<typeof oldRow>;

/** The rows of a table older than an age (an interval of PostgreSQL), oldest first. */
export const oldRows = (db: Db, table: string, maxAge: string): Promise<OldRow[]> =>
  rowsOf(db, oldRow, "select * from ccx.old_rows($1, $2)", [table, maxAge]);

/** Deletes some of them; returns how many, 0 when none is left. */
export const deleteOldRows = async (
  db: Db,
  table: string,
  maxAge: string,
  batchSize: number,
): Promise<number> =>
  (
    await rowOf(db, z.object({ deleted: z.number() }), "select ccx.delete_old_rows($1, $2, $3) as deleted", [
      table,
      maxAge,
      batchSize,
    ])
  ).deleted;

/** The version that migration_info names; null where it does not have just one row. */
export const schemaVersion = async (db: Db): Promise<number | null> =>
  (await rowOf(db, z.object({ version: z.number().nullable() }), "select ccx.schema_version() as version"))
    .version;

const versionSet = z.object({ before: z.number().nullable(), after: z.number() });
export type VersionSet = z.infer<typeof versionSet>;

/** Notes a version ("0" to "8", or "latest"); refuses anything else. */
export const setSchemaVersion = (db: Db, version: string): Promise<VersionSet> =>
  rowOf(db, versionSet, "select * from ccx.set_schema_version($1)", [version]);

/** Chooses how ours lives with the other service: `together` or `shadow`. */
export const setSideBySide = (db: Db, mode: string): Promise<{ before: string; after: string }> =>
  rowOf(db, z.object({ before: z.string(), after: z.string() }), "select * from set_side_by_side($1)", [
    mode,
  ]);

const sideBySide = z.object({ mode: z.string(), since: z.string(), changed_by: z.string() });

/** How ours lives with the other service. */
export const sideBySideNow = (db: Db): Promise<z.infer<typeof sideBySide>> =>
  rowOf(db, sideBySide, "select mode, since, changed_by from side_by_side");

/** Where the two services differ within a period. */
export const compareNotifications = (db: Db, since: string, until: string): Promise<AnyRow[]> =>
  rowsOf(db, anyRow, "select * from compare_notifications($1, $2)", [since, until]);
