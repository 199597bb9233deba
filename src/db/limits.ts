import type { Pool, PoolClient } from "pg";
import { queryOn } from "./pool.ts";

/** How long the database may take for one kind of work, in milliseconds; 0: as long as it likes. */
export type Limits = {
  /** one statement */
  statementMs: number;
  /** a wait for a lock that somebody else holds */
  lockMs: number;
  /** a transaction of ours in which nothing happens */
  idleInTransactionMs: number;
};

/**
 * By how much an answer may be later than the server would give up: then the server, or the way to it, hangs.
 */
const graceMs = 10_000;

/** What the session of a connection is set to; forgotten with the connection. */
const current = new WeakMap<PoolClient, Limits>();

/**
 * The pool for one kind of work: a statement that takes longer fails, with 57014 or 55P03 (`troubleOf`), so
 * that nobody waits for ever and nothing behind him. A server that does not even say that is away.
 *
 * The limits are set in the session, with the first statement of this kind on a connection: settings that a
 * connection begins with are refused by poolers. `transaction_timeout` is left to whoever runs the database.
 *
 * Once `ended` is aborted, whoever still works with this pool is refused, with the reason of the signal.
 */
export function limited(pool: Pool, limits: Limits, ended?: AbortSignal): Pool {
  const { statementMs, lockMs, idleInTransactionMs } = limits;
  const settings = `set statement_timeout = ${statementMs}; set lock_timeout = ${lockMs};
    set idle_in_transaction_session_timeout = ${idleInTransactionMs}`;
  const overdue = statementMs > 0 ? { query_timeout: statementMs + graceMs } : {};
  const connect = async (): Promise<PoolClient> => {
    ended?.throwIfAborted();
    const client = await pool.connect();
    if (current.get(client) === limits) return client;
    try {
      await client.query({ text: settings, ...overdue });
      current.set(client, limits);
      return client;
    } catch (error) {
      client.release(error as Error);
      throw error;
    }
  };
  const query = async (what: string | { text: string }, values?: unknown[]) => {
    const asked = typeof what === "string" ? { text: what, ...(values && { values }) } : what;
    return await queryOn(await connect(), { ...asked, ...overdue });
  };
  return new Proxy(pool, {
    get(target, name) {
      if (name === "query") return query;
      if (name === "connect") return connect;
      const found = Reflect.get(target, name, target);
      return typeof found === "function" ? found.bind(target) : found;
    },
  });
}
