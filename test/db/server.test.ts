import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pool } from "pg";
import { migrate } from "../../src/db/migrate.ts";
import { requireServer } from "../../src/db/server.ts";
import { ConfigurationError } from "../../src/errors.ts";
import { createLogger } from "../../src/log.ts";
import { value } from "../support/builders.ts";
import { openDatabase } from "../support/database.ts";

const log = createLogger("silent");
const good = { version: 18, text: "18.1", encoding: "UTF8", standby: false, read_only: "off" };

/** A server that says this of itself. */
const server = (is: Partial<typeof good>) =>
  ({ query: async () => ({ rows: [{ ...good, ...is }] }) }) as unknown as Pool;

for (const [is, writes, sentence] of [
  [{ version: 15, text: "15.18" }, false, /^PostgreSQL 16 or newer is needed; the server .* is 15\.18\.$/],
  [{ encoding: "LATIN1" }, false, /encoding LATIN1: create it with encoding UTF8/],
  [{ encoding: "SQL_ASCII" }, false, /encoding SQL_ASCII/],
  [{ standby: true }, true, /is a standby/],
  [{ read_only: "on" }, true, /is read-only/],
] as const)
  test(`a server that is ${JSON.stringify(is)} is refused with one sentence`, async () => {
    await assert.rejects(requireServer(server(is), { writes }), (error) => {
      assert.ok(error instanceof ConfigurationError);
      assert.match(error.message, sentence);
      return true;
    });
  });

test("a service may start beside a standby; a release may not be loaded into one", async () => {
  await requireServer(server({ standby: true, read_only: "on" }));
  await requireServer(server(good), { writes: true });
});

test("a database that is read-only, in another encoding or of another program is left as it is", async () => {
  await using database = await openDatabase({ empty: true });
  const nothing = "select count(*)::integer from pg_namespace where nspname in ('ccx', 'graphile_worker')";
  const name = new URL(database.url).pathname.slice(1);
  const refuse = async (sentence: RegExp) => {
    await assert.rejects(migrate(database.url, log), { name: "ConfigurationError", message: sentence });
    assert.equal(await value(database.pool, nothing), 0);
  };
  await database.pool.query(`alter database ${name} set default_transaction_read_only = on`);
  await refuse(/is read-only/);
  await database.pool.query(`alter database ${name} reset default_transaction_read_only`);
  await database.pool.query("create table new_reports (org_id integer)");
  await refuse(/has a table new_reports that ccx-notifications did not make/);
});
