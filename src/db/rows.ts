import type pg from "pg";
import { z } from "zod";

/** What a query can be asked of: the pool, or a connection with a transaction. */
export type Db = Pick<pg.Pool, "query">;

/** A statement that each connection prepares once, under this name. */
export type Prepared = { name: string; text: string };

/** A row that is only shown: its columns are those of the view or function, whatever they are. */
export const anyRow = z.record(z.string(), z.unknown());
export type AnyRow = z.infer<typeof anyRow>;

/** The rows of a query, each checked. Rejects with what `pg` throws. */
export async function rowsOf<Row>(
  db: Db,
  schema: z.ZodType<Row>,
  sql: string | Prepared,
  values: unknown[] = [],
): Promise<Row[]> {
  const { rows } = await db.query({ ...(typeof sql === "string" ? { text: sql } : sql), values });
  return z.array(schema).parse(rows);
}

/** The one row of a query, checked. Rejects with what `pg` throws. */
export async function rowOf<Row>(
  db: Db,
  schema: z.ZodType<Row>,
  sql: string | Prepared,
  values: unknown[] = [],
): Promise<Row> {
  const { rows } = await db.query({ ...(typeof sql === "string" ? { text: sql } : sql), values });
  return schema.parse(rows[0]);
}

/**
 * The rows of a query as they are: for the one caller that has to live with a row that it cannot understand.
 */
export async function uncheckedRowsOf(
  db: Db,
  sql: string | Prepared,
  values: unknown[] = [],
): Promise<unknown[]> {
  const { rows } = await db.query({ ...(typeof sql === "string" ? { text: sql } : sql), values });
  return rows;
}

/** Whether the transaction has written anything yet. */
export async function hasWritten(db: Db): Promise<boolean> {
  const { rows } = await db.query("select pg_current_xact_id_if_assigned() is not null as wrote");
  return rows[0].wrote === true;
}

/** For a function that returns nothing. */
export async function call(db: Db, sql: string, values: unknown[] = []): Promise<void> {
  await db.query(sql, values);
}
