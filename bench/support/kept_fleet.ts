import pg from "pg";
import { connect, type openBenchServers } from "./bench_database.ts";
import { makeFleet } from "./fleet.ts";

type Servers = Awaited<ReturnType<typeof openBenchServers>>;

/**
 * A database with a fleet of so many clusters (fleet.ts). A million of them take a quarter of an hour to
 * make: on the server that DATABASE_URL names, with BENCH_KEEP, the database `ccx_bench_fleet_…` stays and
 * serves the next benchmark of the day, so what is done to it has to be rolled back. Otherwise disposing
 * drops it.
 */
export async function openFleet(
  servers: Servers,
  clusters: number,
): Promise<{ url: string } & AsyncDisposable> {
  const keep = process.env.BENCH_KEEP !== undefined && !servers.isOurs;
  const name = `ccx_bench_fleet_${clusters}`;
  const kept = new URL(servers.databaseUrl);
  kept.pathname = name;
  const server = new pg.Client({ connectionString: servers.databaseUrl });
  await server.connect();
  try {
    const found = await server.query("select from pg_database where datname = $1", [name]);
    if (keep && found.rowCount === 1) return { url: kept.href, async [Symbol.asyncDispose]() {} };
    const database = await servers.createMigrated();
    const client = await connect(database.url);
    await makeFleet(client, clusters, 7_200_000);
    await client.end();
    if (!keep) return database;
    await server.query(`alter database ${new URL(database.url).pathname.slice(1)} rename to ${name}`);
    return { url: kept.href, async [Symbol.asyncDispose]() {} };
  } finally {
    await server.end();
  }
}
