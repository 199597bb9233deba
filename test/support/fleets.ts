import { after, before } from "node:test";
import { makeFleet } from "../../bench/support/fleet.ts";
import { onServer, openDatabase, type TestDatabase } from "./database.ts";

/**
 * A database of this test file alone with the fleet of the benchmarks in it. The first file that asks for a
 * fleet of this size fills one, which the others copy. Call at the top of a test file.
 */
export function fleetDatabase(clusters: number): TestDatabase {
  const database = { url: "" } as TestDatabase;
  let opened: TestDatabase & AsyncDisposable;
  before(async () => {
    opened = await openDatabase({ template: await fleetTemplate(clusters) });
    Object.assign(database, { url: opened.url, pool: opened.pool });
  });
  after(() => opened[Symbol.asyncDispose]());
  return database;
}

/** The name of a database with such a fleet. `test/run.ts` drops it, as it begins like the migrated one. */
async function fleetTemplate(clusters: number): Promise<string> {
  const name = `${process.env.TEST_DATABASE_TEMPLATE}_fleet_${clusters}`;
  await onServer(async (client) => {
    await client.query("select pg_advisory_lock(hashtext($1))", [name]); // released with the connection
    const found = await client.query("select from pg_database where datname = $1", [name]);
    if (found.rowCount !== 0) return;
    const filled = await openDatabase({ name: `${name}_filling` });
    const pooled = await filled.pool.connect();
    try {
      await makeFleet(pooled, clusters, 60_000);
    } finally {
      pooled.release();
    }
    await filled.pool.end();
    await client.query(`alter database ${name}_filling rename to ${name}`);
  });
  return name;
}
