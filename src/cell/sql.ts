import { z } from "zod";
import { type Db, rowOf, rowsOf } from "../db/rows.ts";

const cell = z.object({ name: z.string(), buckets: z.string(), adopted_at: z.coerce.date().nullable() });

/** What a database says of itself: its name as a cell, and its buckets as PostgreSQL writes a multirange. */
export type Cell = z.infer<typeof cell>;

/** Which cell this database is. */
export const readCell = (db: Db): Promise<Cell> =>
  rowOf(db, cell, "select name, buckets, adopted_at from cell");

const identity = z.object({ identity: z.string() });

/** Which database this is, as no copy of it is. */
export const readIdentity = async (db: Db): Promise<string> =>
  (await rowOf(db, identity, "select ccx.database_identity() as identity")).identity;

const forgotten = z.object({ table_name: z.string(), row_count: z.coerce.number() });

/** How many rows of a table went. */
export type Forgotten = z.infer<typeof forgotten>;

/**
 * Makes the database a cell of these buckets (a multirange) and forgets the clusters of all others. Rejects
 * with NTZ01 to NTZ03, and with 22P02 or 23514 where the buckets are none.
 */
export const adoptCell = (
  db: Db,
  name: string,
  buckets: string,
  withUploads: boolean,
): Promise<Forgotten[]> =>
  rowsOf(db, forgotten, "select table_name, row_count from adopt_cell($1, $2::int4multirange, $3::boolean)", [
    name,
    buckets,
    withUploads,
  ]);
