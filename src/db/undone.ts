import type { Pool, PoolClient } from "pg";
import { codeOf } from "./errors.ts";

/** The statement took longer than it was given. */
export class TookTooLong extends Error {}

/**
 * Calls `work` in a transaction that is rolled back, however it ends.
 * @throws TookTooLong when a statement takes longer than `seconds`
 */
export async function undone<T>(
  pool: Pool,
  work: (client: PoolClient) => Promise<T>,
  { seconds }: { seconds?: number } = {},
): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query("begin");
    if (seconds !== undefined)
      await client.query("select set_config('statement_timeout', $1, true)", [`${seconds}s`]);
    return await work(client);
  } catch (error) {
    if (seconds === undefined || codeOf(error) !== "57014") throw error;
    throw new TookTooLong(`took longer than ${seconds} s`, { cause: error });
  } finally {
    // a connection that is gone has rolled back by itself
    await client.query("rollback").catch(() => undefined);
    client.release();
  }
}

/** Keeps what was done so far in a transaction that `undone` would roll back. */
export async function kept(client: PoolClient): Promise<void> {
  await client.query("commit");
}

/** Calls `work` inside an open transaction; what it did is undone when it throws. */
export async function attempted<T>(client: PoolClient, work: () => Promise<T>): Promise<T> {
  await client.query("savepoint attempted");
  try {
    return await work();
  } catch (error) {
    await client.query("rollback to savepoint attempted");
    throw error;
  }
}
