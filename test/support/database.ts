import { after, before } from "node:test";
import pg from "pg";
import { createPool } from "../../src/db/pool.ts";
import { createLogger } from "../../src/log.ts";

let count = 0;

/** A database of this test file alone, migrated; dropped when the file is done. */
export type TestDatabase = {
  /** connection URL; empty before the tests begin */
  url: string;
  pool: pg.Pool;
};

/** Call at the top of a test file; the fields are filled in before its first test. */
export function testDatabase(): TestDatabase {
  const serverUrl = process.env.TEST_DATABASE_URL;
  const template = process.env.TEST_DATABASE_TEMPLATE;
  if (!serverUrl || !template) throw new Error("run the tests with `npm test` or `npm run test:only FILE`");
  const name = `ccx_test_${process.pid}_${++count}`;
  const database = { url: "" } as TestDatabase;
  before(async () => {
    await onServer(serverUrl, `create database ${name} template ${template}`);
    const url = new URL(serverUrl);
    url.pathname = name;
    database.url = url.href;
    database.pool = createPool({
      databaseUrl: url.href,
      size: 10,
      name: "ccx test",
      log: createLogger("silent"),
      searchPath: "public,ccx",
    });
  });
  after(async () => {
    await database.pool.end();
    await onServer(serverUrl, `drop database ${name} with (force)`);
  });
  return database;
}

async function onServer(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
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
