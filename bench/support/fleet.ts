import { readFile } from "node:fs/promises";
import type pg from "pg";

/** How many clusters, open issues and rows of the ledger a fleet has. */
export type FleetSize = { clusters: number; issues: number; ledger: number };

/**
 * Fills a migrated, empty database with a fleet, the same each time but for `at`, the present that it ends
 * at: bench/support/fleet.sql says what is in it. Vacuumed and analyzed.
 * @param timeoutMs for each statement
 */
export async function makeFleet(
  client: pg.ClientBase,
  clusters: number,
  timeoutMs: number,
  at = new Date(),
): Promise<FleetSize> {
  const sql = await readFile(new URL("fleet.sql", import.meta.url), "utf8");
  await client.query("begin");
  try {
    for (const [setting, value] of Object.entries({
      "bench.clusters": clusters,
      "bench.at": at.toISOString(),
      statement_timeout: timeoutMs,
      work_mem: "64MB",
      maintenance_work_mem: "256MB",
    }))
      await client.query("select set_config($1, $2, true)", [setting, String(value)]);
    await client.query(sql);
    await client.query("commit");
  } catch (error) {
    await client.query("rollback");
    throw error;
  }
  // the deciders' wake-up, which is queued when it commits
  await client.query("delete from graphile_worker._private_jobs");
  await client.query("vacuum (analyze)");
  return fleetSize(client);
}

/** How large the fleet of this database is. */
export async function fleetSize(client: pg.ClientBase): Promise<FleetSize> {
  const { rows } = await client.query<FleetSize>(
    `select (select count(*) from latest_report)::integer as clusters,
       (select count(*) from issue where closed_at is null)::integer as issues,
       (select count(*) from notified_issue)::integer as ledger`,
  );
  const [size] = rows;
  if (!size) throw new Error("no fleet");
  return size;
}
