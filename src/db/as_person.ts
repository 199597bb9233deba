import type { Pool, PoolClient } from "pg";

/** For whom the database is asked. */
export type Asker = {
  /** the name that stands beside what is done */
  name: string;
  /** the role of the database that reads or acts; counts where it was given its rights in this database */
  role: string;
  /** the only organization whose rows are shown; undefined: all that the role may see */
  organization: string | undefined;
};

/** `read`: nothing can be written. `act`: what is done is kept. `try`: it is rolled back. */
export type Manner = "read" | "act" | "try";

export type Limits = {
  /** how long one statement may take */
  seconds: number;
  /** aborted when nobody waits for the answer any more */
  signal: AbortSignal;
  /** a pool of the same server that has a connection to cancel with, also when all others are busy */
  canceller: Pool;
};

/**
 * Calls `work` in a transaction with the rights of this person. The one place where they are set: the role,
 * the organization that row-level security compares with, and the name that ccx.person() records. When the
 * signal is aborted, the statement that runs is cancelled in the database, too. Rejects with what `pg`
 * throws.
 */
export async function asPerson<T>(
  pool: Pool,
  asker: Asker,
  manner: Manner,
  work: (client: PoolClient) => Promise<T>,
  { seconds, signal, canceller }: Limits,
): Promise<T> {
  signal.throwIfAborted();
  const client = await pool.connect();
  let cancelled: Promise<unknown> | undefined;
  const cancel = () => {
    const { processID } = client as unknown as { processID: number };
    cancelled = canceller.query("select pg_cancel_backend($1)", [processID]).catch(() => undefined);
  };
  signal.addEventListener("abort", cancel, { once: true });
  let broken: Error | undefined;
  try {
    await client.query(manner === "read" ? "begin read only" : "begin");
    await client.query(
      `select set_config('ccx.person', $1, true), set_config('ccx.organization', $2, true),
         set_config('statement_timeout', $3, true), set_config('lock_timeout', '3s', true),
         set_config('role', coalesce((
           select rolname from pg_roles
           where rolname = $4 and has_table_privilege(oid, 'public.event_targets', 'select')),
         'none'), true)`,
      [asker.name, asker.organization ?? "", `${seconds}s`, asker.role],
    );
    signal.throwIfAborted();
    const answer = await work(client);
    signal.throwIfAborted();
    if (manner === "act") await client.query("commit");
    return answer;
  } finally {
    signal.removeEventListener("abort", cancel);
    await cancelled; // a cancellation that comes late would hit the next one on this connection
    // after a commit there is nothing to roll back, and the settings of the transaction are gone
    await client.query("rollback").catch((error) => {
      broken = error;
    });
    client.release(broken);
  }
}
