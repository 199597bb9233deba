import type { Pool, PoolClient } from "pg";
import { codeOf } from "./errors.ts";

/** The statement took longer than it was given. */
export class TookTooLong extends Error {}

/**
 * Calls `work` in a transaction that is rolled back, however it ends. When the signal is aborted, the
 * statement that runs is cancelled in the database, too, for which the pool needs a second connection; what
 * is thrown then is the reason of the signal.
 * @throws TookTooLong when a statement takes longer than `seconds`
 */
export async function undone<T>(
  pool: Pool,
  work: (client: PoolClient) => Promise<T>,
  { seconds, signal }: { seconds?: number; signal?: AbortSignal } = {},
): Promise<T> {
  const client = await pool.connect();
  let cancelled: Promise<unknown> | undefined;
  const cancel = () => {
    const { processID } = client as unknown as { processID: number };
    cancelled = pool.query("select pg_cancel_backend($1)", [processID]).catch(() => undefined);
  };
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    signal?.throwIfAborted();
    await client.query("begin");
    if (seconds !== undefined)
      await client.query("select set_config('statement_timeout', $1, true)", [`${seconds}s`]);
    const answer = await work(client);
    signal?.throwIfAborted();
    return answer;
  } catch (error) {
    signal?.throwIfAborted();
    if (seconds === undefined || codeOf(error) !== "57014") throw error;
    throw new TookTooLong(`took longer than ${seconds} s`, { cause: error });
  } finally {
    signal?.removeEventListener("abort", cancel);
    await cancelled; // a cancellation that comes late would hit the rollback
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
