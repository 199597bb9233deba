import type { Pool } from "pg";
import { cleanup, type OldTable, printOld } from "../adopt/operations.ts";
import type { Logger } from "../log.ts";

/** What a clean-up does, as its readers look for it in the log. */
const condition = (table: OldTable) => `FROM ${table} WHERE updated_at < NOW() - $1::INTERVAL`;

/** Logs a line for each row that is older than `maxAge` (an interval). */
export async function printOldRows(pool: Pool, table: OldTable, maxAge: string, log: Logger): Promise<void> {
  log.info(
    { "SQL statement": `SELECT ${condition(table)} ORDER BY updated_at`, "max age": maxAge },
    "PrintReportsForCleanup operation",
  );
  const [found] = await printOld(pool, maxAge, [table]);
  for (const row of found?.rows ?? [])
    log.info(
      {
        "Organization ID": Number(row.org_id),
        "Account number": Number(row.account_number),
        "Cluster name": row.cluster,
        "Updated at": row.updated_at,
        Age: row.age_days,
      },
      `Old report from \`${table}\` table`,
    );
}

/** Deletes them. */
export async function deleteOldRows(pool: Pool, table: OldTable, maxAge: string, log: Logger): Promise<void> {
  log.info(
    { "SQL statement": `DELETE ${condition(table)}`, "max age": maxAge },
    "Cleanup operation for all organizations",
  );
  const [done] = await cleanup(pool, maxAge, [table]);
  const rows = done?.deleted ?? 0;
  log.info({ "Rows deleted": rows }, "Rows deleted");
  log.info({ "Rows deleted": rows }, `Cleanup \`${table}\` finished`);
}
