import type { ClientBase, Pool } from "pg";
import { z } from "zod";
import { ConfigurationError } from "../../errors.ts";

/** The tables of the notification writer, whose schema an adoption takes over. */
export const writerTables = [
  "new_reports",
  "reported",
  "read_errors",
  "states",
  "notification_types",
  "event_targets",
  "migration_info",
] as const;

/**
 * How far an adoption is. `nothing`: neither their tables nor ours; `theirs`: their tables, not begun;
 * `begun`: our tables are made beside theirs; `swapped`: ours are in their place; `adopted`: it is done;
 * `leaving`: theirs are back, ours are about to go; `ours`: a database that was ours from the beginning, or
 * whose old tables are gone.
 */
export type Phase = "nothing" | "theirs" | "begun" | "swapped" | "adopted" | "leaving" | "ours";

/** Where the old tables are kept. */
export const kept = "incumbent";

/** What shows there, in the types of ours, the rows from before and after. */
export const viewsOfBoth = ["all_new_reports", "all_reported", "all_read_errors"] as const;

/** Where ours are made before they take the place of theirs. */
export const staging = "ccx_staging";

/** Where ours go when theirs come back. */
export const leaving = "ccx_leaving";

export const stagingSchema = staging;

/** Their moments of exclusive use: everybody who comes after us waits behind us. */
export const lockTimeoutMs = 250;

const lockStatementMs = 400;

const listed = (names: readonly string[], schema: string): string =>
  names.map((name) => `${schema}.${name}`).join(", ");

/** How far the adoption of this database is. */
export async function phaseOf(db: Pick<ClientBase, "query">): Promise<Phase> {
  const { rows } = await db.query<{ begun: boolean; kind: string | null }>(
    `select to_regclass('${kept}.adoption') is not null as begun,
       (select c.relkind from pg_class c where c.oid = to_regclass('public.new_reports')) as kind`,
  );
  if (rows[0]?.begun) {
    const { rows: found } = await db.query<{ phase: Phase }>(`select phase from ${kept}.adoption`);
    if (found[0]) return found[0].phase;
  }
  if (rows[0]?.kind === "p") return "ours";
  return rows[0]?.kind === "r" ? "theirs" : "nothing";
}

/** As `phaseOf`, but `leaving` as soon as somebody has begun to undo the adoption. */
export async function stateOf(db: Pick<ClientBase, "query">): Promise<Phase> {
  const phase = await phaseOf(db);
  if (phase !== "swapped" && phase !== "adopted") return phase;
  const { rows } = await db.query<{ mode: string }>("select mode from public.side_by_side");
  return rows[0]?.mode === "leaving" ? "leaving" : phase;
}

/** Why nothing of ours can work on a database in this phase, and what to do; undefined: it can. */
export function whyNotOurs(phase: Phase): string | undefined {
  if (phase === "theirs")
    return "The database is still the notification writer's: take it over with `ccx adopt` first.";
  if (phase === "begun" || phase === "swapped" || phase === "leaving")
    return "An adoption of this database was interrupted: run `ccx adopt` again, or `ccx adopt --undo`.";
  return undefined;
}

const lock = "hashtextextended('ccx adopt alone', 0)";

/**
 * Calls `work` while no other adoption of this database goes on; the signal is aborted when the connection
 * that keeps others away is lost.
 * @throws ConfigurationError when one does
 */
export async function alone<T>(pool: Pool, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  const lost = new AbortController();
  client.once("error", (error) => lost.abort(error));
  try {
    const { rows } = await client.query<{ alone: boolean }>(`select pg_try_advisory_lock(${lock}) as alone`);
    if (!rows[0]?.alone)
      throw new ConfigurationError("Another `ccx adopt` is at work on this database: wait for its end.");
    return await work(lost.signal);
  } finally {
    // who comes next need not wait until the server has noticed that the session is gone
    await client.query(`select pg_advisory_unlock(${lock})`).catch(() => undefined);
    client.release(true);
  }
}

/**
 * Who of ours works on the database, a sentence for each: workers that have shown within the last minute that
 * they live, and whoever has a connection.
 */
export async function whoWorks(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ who: string }>(
    `select format('%s of our processes still work on this database: stop them first. '
       'Those that were killed count for a minute.', count(*)) as who
     from public.worker
     where seen_at > now() - interval '1 minute'
     having count(*) > 0
     union all
     select distinct format('%s is connected to this database: stop it first.', application_name)
     from pg_stat_activity
     where datname = current_database()
       and application_name ~ '^ccx( (analyze|consume|work|serve)\\M|-notification-service$)'`,
  );
  return rows.map(({ who }) => who);
}

/** A transaction on one connection. */
export async function inTransaction<T>(pool: Pool, work: (client: ClientBase) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query("begin");
    const result = await work(client);
    await client.query("commit");
    return result;
  } catch (error) {
    broken = error as Error;
    await client.query("rollback").then(
      () => {
        broken = undefined;
      },
      () => undefined,
    );
    throw error;
  } finally {
    client.release(broken);
  }
}

/** Takes these tables for itself, or fails with 55P03 or 57014 after less than half a second. */
export async function lockTables(
  client: ClientBase,
  schema: string,
  tables: readonly string[],
): Promise<void> {
  await client.query(`set local lock_timeout = ${lockTimeoutMs}`);
  await client.query(`set local statement_timeout = ${lockStatementMs}`);
  await client.query(`lock table ${listed(tables, schema)} in access exclusive mode`);
  await client.query("set local statement_timeout = 0");
}

/** Notes how far the copying is, so that the next one goes on from there. */
export async function noteDone(pool: Pool, what: Record<string, unknown>): Promise<void> {
  await pool.query(`update ${kept}.adoption set done = done || $1::jsonb`, [JSON.stringify(what)]);
}

const noted = z.object({
  time_zone: z.string(),
  memory: z.string(),
  done: z.record(z.string(), z.unknown()),
  began_at: z.string(),
  began_by: z.string(),
});

/** What was noted when the adoption began, and how far it is. */
export async function noteOf(pool: Pool): Promise<z.infer<typeof noted>> {
  const { rows } = await pool.query(
    `select time_zone, memory, done, began_at, began_by from ${kept}.adoption`,
  );
  return noted.parse(rows[0]);
}

/** Who is in the way of a lock on these tables: a sentence for each session. */
export async function whoHolds(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ who: string }>(
    `select distinct format('process %s of %s (%s), whose transaction began at %s', a.pid,
       coalesce(nullif(a.application_name, ''), 'an unnamed program'), a.usename,
       to_char(a.xact_start, 'YYYY-MM-DD HH24:MI:SS')) as who
     from pg_locks l
     join pg_stat_activity a on a.pid = l.pid
     join pg_class c on c.oid = l.relation
     where l.locktype = 'relation' and l.granted and a.pid <> pg_backend_pid()
       and l.database = (select oid from pg_database where datname = current_database())
       and c.relnamespace in ('public'::regnamespace, to_regnamespace('${kept}'))
       and c.relname = any ($1)
     union all
     select distinct format('the prepared transaction %L of %s, which is to be committed or rolled back',
       x.gid, x.owner)
     from pg_locks l
     join pg_locks own on own.virtualtransaction = l.virtualtransaction and own.locktype = 'transactionid'
     join pg_prepared_xacts x on x.transaction = own.transactionid
     join pg_class c on c.oid = l.relation
     where l.locktype = 'relation' and l.pid is null and own.pid is null and x.database = current_database()
       and c.relnamespace in ('public'::regnamespace, to_regnamespace('${kept}'))
       and c.relname = any ($1)`,
    [writerTables],
  );
  return rows.map(({ who }) => who);
}
