import pg from "pg";
import { migrate } from "../../src/db/migrate.ts";
import { createDatabase } from "../../src/dev/embedded.ts";
import { startStack } from "../../src/dev/stack.ts";
import { createLogger } from "../../src/log.ts";

/**
 * A migrated database of its own with one connection: on the embedded PostgreSQL, or on the server that DATABASE_URL names.
 * Disposing drops it and stops what was started.
 */
export async function openBenchDatabase() {
  await using opened = new AsyncDisposableStack();
  const stack = await startStack({ databaseUrl: process.env.DATABASE_URL, kafkaBrokers: "not needed" });
  opened.defer(() => stack.stop());
  const database = await createDatabase(stack.databaseUrl);
  opened.defer(() => database.drop());
  await migrate(database.url, createLogger("warn"));
  const client = new pg.Client({ connectionString: database.url, application_name: "ccx bench" });
  await client.connect();
  opened.defer(() => client.end());
  const machine = await settings(client);
  const owned = opened.move();
  return { client, machine, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** What the figures depend on; `jit` counts only where the server has it. */
async function settings(client: pg.Client): Promise<Record<string, string>> {
  const { rows } = await client.query<Record<string, string>>(
    `select current_setting('server_version') as postgres, current_setting('shared_buffers') as shared_buffers,
       current_setting('work_mem') as work_mem, current_setting('fsync') as fsync,
       current_setting('max_parallel_workers_per_gather') as parallel_workers,
       case when pg_jit_available() then 'on' else 'off' end as jit`,
  );
  return rows[0] ?? {};
}
