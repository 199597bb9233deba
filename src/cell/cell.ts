import type { Db } from "../db/rows.ts";
import { ConfigurationError } from "../errors.ts";
import { bucketCount, bucketOf } from "./bucket_of.ts";
import { readCell } from "./sql.ts";

/** Whether a message is for this cell: by its cluster, or, where none could be read, by its partition. */
export type Owns = (cluster: string | undefined, partition: number) => boolean;

/**
 * Looks whether the database is the cell that this process is meant for. A copy of a database keeps the name
 * of what it was copied from until it is adopted, so no process for the new cell delivers from it before
 * that.
 * @throws ConfigurationError, one sentence, for another cell
 */
export async function requireCell(db: Db, name: string): Promise<void> {
  const cell = await readCell(db);
  if (cell.name === name) return;
  const is = cell.name === "" ? "no cell (its name is empty)" : `the cell "${cell.name}"`;
  throw new ConfigurationError(
    `CCX_CELL is "${name}", but the database of DATABASE_URL is ${is}: set the one or the other right; ` +
      "a copy becomes a cell by `ccx cell adopt`.",
  );
}

/** The consumer group of a cell: each reads the whole topic, so no two cells may share one. */
export const groupOf = (group: string, cell: string): string => (cell === "" ? group : `${group}.${cell}`);

/** Which messages this cell keeps; undefined: all of them, since it is the only one. */
export async function ownership(db: Db): Promise<Owns | undefined> {
  const { buckets } = await readCell(db);
  const owned = ownedOf(buckets);
  if (owned.size === bucketCount) return undefined;
  return (cluster, partition) =>
    owned.has(cluster === undefined ? partition % bucketCount : bucketOf(cluster));
}

/** The buckets in a multirange as PostgreSQL writes it: `{[0,128),[200,201)}`. */
export function ownedOf(multirange: string): ReadonlySet<number> {
  const ranges = [...multirange.matchAll(/\[(\d+),(\d+)\)/g)].map(([, from, to]) => [
    Number(from),
    Number(to),
  ]);
  return new Set(
    ranges.flatMap(([from = 0, to = 0]) => Array.from({ length: to - from }, (_, nth) => from + nth)),
  );
}
