import type { Pool } from "pg";
import { kept, undone } from "../../db/undone.ts";
import * as sql from "../sql.ts";
import { registryLines } from "./lines.ts";

const linesAtOnce = 5_000;

/**
 * Makes the clusters of a source what a CSV file says, in one transaction: all of it or nothing, but for the
 * lines that are refused, each of which `problems` names.
 *
 * @throws ConfigurationError for what is no such file, and an error that `sql.isTooMuch` when it would change
 *   too much and nobody `accepted` that
 */
export async function loadRegistry(
  pool: Pool,
  bytes: Uint8Array,
  from: sql.RegistryFrom,
  accepted: boolean,
): Promise<sql.RegistryLoaded> {
  const lines = registryLines(bytes);
  return undone(pool, async (client) => {
    let part = [];
    for (const line of lines) {
      part.push(line);
      if (part.length < linesAtOnce) continue;
      await sql.readRegistry(client, part);
      part = [];
    }
    await sql.readRegistry(client, part);
    const loaded = await sql.loadRegistry(client, from, accepted);
    await kept(client);
    return loaded;
  });
}
