import pg from "pg";
import { migrate } from "../../src/db/migrate.ts";
import { createPool } from "../../src/db/pool.ts";
import { createLogger } from "../../src/log.ts";
import { onServer } from "./database.ts";

let count = 0;

/** Makes the roles of a test's database, as its superuser. */
export const makeRoles = (url: string) => migrate(url, createLogger("silent"), { withRoles: true });

/** Users of the server that are in these roles; disposing takes them away. Names are this process's own. */
export async function openLogins(databaseUrl: string) {
  const names: string[] = [];
  const pools: pg.Pool[] = [];
  const login = async (...roles: string[]): Promise<{ name: string; url: string; pool: pg.Pool }> => {
    const name = `ccx_login_${process.pid}_${++count}`;
    await onServer(`create role ${name} login${roles.length > 0 ? ` in role ${roles.join(", ")}` : ""}`);
    names.push(name);
    const url = new URL(databaseUrl);
    url.username = name;
    const log = createLogger("silent");
    const pool = createPool({
      databaseUrl: url.href,
      size: 3,
      name: "ccx test",
      log,
      searchPath: "public,ccx",
    });
    pools.push(pool);
    return { name, url: url.href, pool };
  };
  return {
    login,
    async [Symbol.asyncDispose]() {
      for (const pool of pools) await pool.end();
      // what they own or may in the database of the test keeps them
      const client = new pg.Client({ connectionString: databaseUrl });
      await client.connect();
      try {
        for (const name of names)
          await client.query(
            `reassign owned by ${name} to current_user; drop owned by ${name} cascade; drop role ${name}`,
          );
      } finally {
        await client.end();
      }
    },
  };
}
