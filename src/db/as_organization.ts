import type { Pool, PoolClient } from "pg";
import type { Db } from "./rows.ts";

/** For whom a transaction reads and writes, and how long it may. */
export type Errand = {
  /** The organization, as row-level security reads it; digits. */
  organization: string;
  timeoutMs: number;
  /** Aborted when nobody waits for the answer any more: what runs is cancelled. */
  signal: AbortSignal;
  /** A pool that has a connection to cancel with, also when all others are busy. */
  canceller: Pool;
};

/** Whether a connection may take the role; asked once for each. */
const roles = new WeakMap<PoolClient, boolean>();

/**
 * Runs `work` in a transaction that is set to an organization: `ccx.organization` for the policies of
 * row-level security, and the role `ccx_results`, which has no other rights, where there is one and we may
 * take it. Rejects with what `pg` throws; with 57014 when the time is over or the signal is aborted.
 */
export async function asOrganization<T>(
  pool: Pool,
  errand: Errand,
  work: (db: Db) => Promise<T>,
): Promise<T> {
  const { organization, timeoutMs, signal, canceller } = errand;
  if (!/^\d{1,19}$/.test(organization)) throw new Error("an organization is a number");
  const client = await pool.connect();
  let cancelled: Promise<unknown> | undefined;
  let broken: Error | undefined;
  const cancel = () => {
    const { processID } = client as unknown as { processID: number };
    cancelled = canceller.query("select pg_cancel_backend($1)", [processID]).catch(() => undefined);
  };
  try {
    signal.throwIfAborted();
    signal.addEventListener("abort", cancel, { once: true });
    const hasRole = roles.get(client) ?? (await mayTakeRole(client));
    await client.query(
      `begin; set local statement_timeout = ${timeoutMs}; set local lock_timeout = ${timeoutMs};
       select set_config('ccx.organization', '${organization}', true)
       ${hasRole ? "; set local role ccx_results" : ""}`,
    );
    const result = await work(client);
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query("rollback").catch((why: Error) => {
      broken = why;
    });
    throw error;
  } finally {
    signal.removeEventListener("abort", cancel);
    await cancelled; // a cancellation that comes late would hit the next one on this connection
    client.release(broken);
  }
}

async function mayTakeRole(client: PoolClient): Promise<boolean> {
  const { rows } = await client.query("select ccx.may_become_results() as may");
  roles.set(client, rows[0].may);
  return rows[0].may;
}
