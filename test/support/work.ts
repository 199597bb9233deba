import type { Pool, PoolClient } from "pg";
import { type Row, rows, value } from "./builders.ts";
import { until } from "./until.ts";

/** What of PostgreSQL's work a statement was, also within functions and triggers. */
export type Work = {
  /** buffers touched */
  pages: number;
  /** records of the write-ahead log: one for each row, index entry and row lock, more or less */
  written: number;
  /** rows that it returned */
  rows: number;
  /** rows that scans from end to end read, per table; those that read none are left out */
  scanned: Record<string, number>;
};

/**
 * Runs a statement and says what work it was. In a transaction of its own that has done nothing before: what
 * scans read is counted from its beginning.
 */
export async function workOf(db: PoolClient, statement: string, values: unknown[] = []): Promise<Work> {
  const before = await scans(db);
  const sql = `explain (analyze, buffers, wal, timing off, format json) ${statement}`;
  const [{ Plan: plan }] = (await value(db, sql, values)) as [{ Plan: Record<string, number> }];
  const after = await scans(db);
  const scanned: Record<string, number> = {};
  for (const [table, count] of after) {
    const read = count - (before.get(table) ?? 0);
    if (read > 0) scanned[table] = read;
  }
  return {
    pages: (plan["Shared Hit Blocks"] ?? 0) + (plan["Shared Read Blocks"] ?? 0),
    written: plan["WAL Records"] ?? 0,
    rows: plan["Actual Rows"] ?? 0,
    scanned,
  };
}

/**
 * How many pages these statements touch, in a transaction that has done nothing before: the least of three times.
 * A connection that was idle while other connections changed a catalog, in whichever database, may have to read the
 * catalog anew (PostgreSQL drops its caches when their messages overflow), and what a function reads to plan its
 * statements counts as its pages: thousands, where the answer takes a hundred.
 */
export async function leastPages(
  db: PoolClient,
  statements: readonly string[],
  values: unknown[] = [],
): Promise<number> {
  let pages = 0;
  for (const statement of statements) {
    const times: number[] = [];
    for (let nth = 0; nth < 3; nth++) times.push((await workOf(db, statement, values)).pages);
    pages += Math.min(...times);
  }
  return pages;
}

/**
 * Rows that this transaction read by scans of whole tables; the partitions of a table count as that table.
 */
async function scans(db: PoolClient): Promise<Map<string, number>> {
  const counted: Row[] = await rows(
    db,
    `select regexp_replace(relname, '_([0-9]{8}|default)$', '') as name, sum(seq_tup_read)::integer as count
     from pg_stat_xact_user_tables where schemaname = 'public' group by 1`,
  );
  return new Map(counted.map(({ name, count }) => [String(name), Number(count)]));
}

/** A pool that counts the statements which go through it; connections that it gives away are not counted. */
export function counting(pool: Pool): { pool: Pool; statements: string[] } {
  const statements: string[] = [];
  const counted = new Proxy(pool, {
    get(target, name) {
      const found = Reflect.get(target, name, target);
      if (typeof found !== "function") return found;
      if (name !== "query") return found.bind(target);
      return (query: string | { text: string }, ...others: unknown[]) => {
        statements.push(typeof query === "string" ? query : query.text);
        return found.call(target, query, ...others);
      };
    },
  });
  return { pool: counted, statements };
}

/**
 * Counts the transactions of other processes on `database`, asked through another database, so that asking
 * does not count.
 * @param names how the application names of their connections begin
 */
export function transactionsOn(database: { url: string }, ask: Pool, names: string) {
  const name = () => new URL(database.url).pathname.slice(1);
  const committed = async () =>
    Number(await value(ask, "select xact_commit from pg_stat_database where datname = $1", [name()]));
  return {
    committed,
    /** The same, once their connections have ended: each tells what it did when it ends. */
    async afterTheEnd(): Promise<number> {
      const left = `select from pg_stat_activity where datname = $1 and starts_with(application_name, $2)`;
      await until("its connections have ended", async () => {
        return (await ask.query(left, [name(), names])).rowCount === 0;
      });
      return committed();
    },
  };
}
