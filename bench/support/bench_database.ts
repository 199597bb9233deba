import pg from "pg";
import { createDatabase } from "../../dev/embedded.ts";
import { startStack } from "../../dev/stack/stack.ts";
import { migrate } from "../../src/db/migrate.ts";
import { createLogger } from "../../src/log.ts";
import { until } from "../../test/support/until.ts";

/**
 * A migrated database of its own with one connection: on the embedded PostgreSQL, or on the server that
 * DATABASE_URL names. Disposing drops it and stops what was started.
 */
export async function openBenchDatabase() {
  await using opened = new AsyncDisposableStack();
  const servers = opened.use(await openBenchServers({ kafka: false }));
  const database = opened.use(await servers.createMigrated());
  const client = opened.use(await connect(database.url));
  const machine = await settings(client);
  const owned = opened.move();
  return { client, machine, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/**
 * PostgreSQL and, if wanted, Kafka: the embedded ones, or those that DATABASE_URL and KAFKA_BROKERS name.
 * Disposing stops what was started; databases are to be disposed of before.
 */
export async function openBenchServers({ kafka }: { kafka: boolean }) {
  const stack = await startStack({
    databaseUrl: process.env.DATABASE_URL,
    kafkaBrokers: kafka ? process.env.KAFKA_BROKERS : "not needed",
    log: (line) => console.error(line),
  });
  const create = async (template?: { url: string }) => {
    const { url, drop } = await createDatabase(stack.databaseUrl, template?.url);
    return { url, [Symbol.asyncDispose]: drop };
  };
  return {
    /** Where its databases are; on a server of somebody else's they may be kept. */
    databaseUrl: stack.databaseUrl,
    isOurs: process.env.DATABASE_URL === undefined,
    brokers: stack.kafkaBrokers,
    /** An empty database, or a copy of one that nobody is connected to. */
    createDatabase: create,
    async createMigrated() {
      const database = await create();
      await migrate(database.url, createLogger("warn"));
      // graphile-migrate keeps a connection for a while, and ends the process when that is cut off
      await using client = await connect(database.url);
      // a benchmark notifies a fleet at once, and of old reports: the brake counts, but never holds
      await client.query(`set session_replication_role = replica;
        update policy set storm_minimum = 1000000000, max_report_age = null`);
      const others = `select from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`;
      await until("migrations have let go", async () => (await client.query(others)).rowCount === 0);
      return database;
    },
    [Symbol.asyncDispose]: () => stack.stop(),
  };
}

/** A connection that ends when it is disposed of. */
export async function connect(url: string): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client({
    connectionString: url,
    application_name: "ccx bench",
    options: "-c search_path=public,ccx",
  });
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

/** What the figures depend on; `jit` counts only where the server has it. */
export async function settings(client: pg.Client): Promise<Record<string, string>> {
  const { rows } = await client.query<Record<string, string>>(
    `select current_setting('server_version') as postgres, current_setting('shared_buffers') as shared_buffers,
       current_setting('work_mem') as work_mem, current_setting('fsync') as fsync,
       current_setting('max_parallel_workers_per_gather') as parallel_workers,
       case when pg_jit_available() then 'on' else 'off' end as jit`,
  );
  return rows[0] ?? {};
}
