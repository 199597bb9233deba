import { after, before } from "node:test";
import pg from "pg";
import { createPool } from "../../src/db/pool.ts";
import { createLogger } from "../../src/log.ts";
import { until } from "./until.ts";

let count = 0;

/** A database of this test file alone, migrated; dropped when the file is done. */
export type TestDatabase = {
  /** connection URL; empty before the tests begin */
  url: string;
  pool: pg.Pool;
};

/** Call at the top of a test file; the fields are filled in before its first test. */
export function testDatabase({ asMigrated = false } = {}): TestDatabase {
  environment();
  const database = { url: "" } as TestDatabase;
  let opened: TestDatabase & AsyncDisposable;
  before(async () => {
    opened = await openDatabase();
    database.url = opened.url;
    database.pool = opened.pool;
    if (asMigrated) return;
    // A test gives a report once and moves the clock by days and weeks to see cooldowns, silences and
    // policies end; with the default age each of them would have to report again before every question, and
    // would show less of what it is about. Tests about old reports set an age; e2e tests have the default.
    await database.pool.query(`set session_replication_role = replica;
      update policy set max_report_age = null; set session_replication_role = default`);
  });
  after(() => opened[Symbol.asyncDispose]());
  return database;
}

/**
 * Another database: migrated unless it is to be empty, or a copy of `template`. Disposing ends the pool, unless
 * the test did, and drops it. The pool may rewrite history (room guard), since tests empty tables and move times; what tests start
 * with the URL may not.
 */
export async function openDatabase(
  options: { empty?: boolean; template?: string; name?: string; poolSize?: number } = {},
): Promise<TestDatabase & AsyncDisposable> {
  const { serverUrl, template } = environment();
  const name = options.name ?? `ccx_test_${process.pid}_${++count}`;
  await onServer(
    `create database ${name}${options.empty ? "" : ` template ${options.template ?? template}`}`,
  );
  const url = new URL(serverUrl);
  url.pathname = name;
  const byHand = new URL(url);
  byHand.searchParams.set("options", "-c ccx.rewrite_history=on");
  const pool = createPool({
    databaseUrl: byHand.href,
    size: options.poolSize ?? 10,
    name: "ccx test",
    log: createLogger("silent"),
    searchPath: "public,ccx",
  });
  return {
    url: url.href,
    pool,
    async [Symbol.asyncDispose]() {
      if (!pool.ended) {
        await graphileMigrateLetsGo(pool);
        await pool.end();
      }
      await onServer(`drop database ${name} with (force)`);
    },
  };
}

/**
 * graphile-migrate keeps its connections for another 200 ms, and ends the process when one is lost meanwhile,
 * as it would be when the database is dropped.
 */
async function graphileMigrateLetsGo(pool: pg.Pool): Promise<void> {
  const sql = `select from pg_stat_activity
    where datname = current_database() and application_name = '' and backend_type = 'client backend'`;
  await until("connections without a name are closed", async () => (await pool.query(sql)).rowCount === 0);
}

function environment(): { serverUrl: string; template: string } {
  const serverUrl = process.env.TEST_DATABASE_URL;
  const template = process.env.TEST_DATABASE_TEMPLATE;
  if (!serverUrl || !template) throw new Error("run the tests with `npm test` or `npm run test:only FILE`");
  return { serverUrl, template };
}

/** Runs a statement that concerns the whole server, or several on one connection. */
export async function onServer(work: string | ((client: pg.Client) => Promise<void>)): Promise<void> {
  const client = new pg.Client({ connectionString: environment().serverUrl });
  await client.connect();
  try {
    if (typeof work === "string") await client.query(work);
    else await work(client);
  } finally {
    await client.end();
  }
}

/** Runs in a transaction that is rolled back, so that a test leaves nothing behind for the next. */
export async function rolledBack<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query("begin");
    return await work(client);
  } finally {
    await client.query("rollback");
    client.release();
  }
}
