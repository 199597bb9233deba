import { readFile } from "node:fs/promises";
import path from "node:path";
import type { Pool } from "pg";
import { ConfigurationError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { readCode } from "./code_files.ts";
import { type Loaded, loadCode } from "./load_code.ts";
import { requireServer } from "./server.ts";

const folder = path.join(import.meta.dirname, "../../fleet");

/**
 * Makes a database the fleet database, or brings the one that it is in step with this release (fleet/). The
 * cells stay attached; what a release has new is asked of each of them.
 * @throws ConfigurationError for a database that is a cell, and where the extension postgres_fdw is missing
 */
export async function initFleet(pool: Pool, log: Logger): Promise<Loaded> {
  await requireServer(pool, { writes: true });
  const client = await pool.connect();
  try {
    const { rows } = await client.query("select to_regclass('public.new_reports') is not null as is_cell");
    if (rows[0]?.is_cell)
      throw new ConfigurationError(
        "The database of DATABASE_URL has reports of its own: the fleet database is another, empty one.",
      );
    await client.query("set client_min_messages = warning"); // what is there already is no news
    await client.query(await readFile(path.join(folder, "begin.sql"), "utf8"));
    const loaded = await loadCode(client, log, await readCode(folder));
    await client.query("select fleet.complete()");
    return loaded;
  } finally {
    client.release(true);
  }
}
