import assert from "node:assert/strict";
import { test } from "node:test";
import pg, { type Pool } from "pg";
import { asConfigurationError } from "../../src/db/errors.ts";
import { migrate } from "../../src/db/migrate.ts";
import { createPool } from "../../src/db/pool.ts";
import { requireServer, requireSession } from "../../src/db/server.ts";
import { waitForDatabase } from "../../src/db/wait.ts";
import { ConfigurationError } from "../../src/errors.ts";
import { createLogger } from "../../src/log.ts";
import { value } from "../support/builders.ts";
import { runCcx } from "../support/command.ts";
import { onServer, openDatabase } from "../support/database.ts";

const log = createLogger("silent");
/** A connection may hear of its end by the server, whose database is dropped, before its own has got through. */
const whenDropped = () => undefined;
const good = {
  ...{ version: 18, text: "18.1", encoding: "UTF8", standby: false, read_only: "off" },
  ...{ time_zone: "UTC", search_path: "public" },
};

/** A server that says this of itself. */
const server = (is: Partial<typeof good>) =>
  ({ query: async () => ({ rows: [{ ...good, ...is }] }) }) as unknown as Pool;

for (const [is, writes, sentence] of [
  [{ version: 15, text: "15.18" }, false, /^PostgreSQL 16 or newer is needed; the server .* is 15\.18\.$/],
  [{ encoding: "LATIN1" }, false, /encoding LATIN1: create it with encoding UTF8/],
  [{ encoding: "SQL_ASCII" }, false, /encoding SQL_ASCII/],
  [{ standby: true }, true, /is a standby/],
  [{ read_only: "on" }, true, /is read-only/],
  [{ time_zone: "Asia/Kolkata" }, false, /leads through a pooler .* set CCX_DATABASE_DIRECT_URL/],
  [{ search_path: '"$user", public' }, false, /leads through a pooler/],
] as const)
  test(`a server that is ${JSON.stringify(is)} is refused with one sentence`, async () => {
    await assert.rejects(requireServer(server(is), { writes }), (error) => {
      assert.ok(error instanceof ConfigurationError);
      assert.match(error.message, sentence);
      return true;
    });
  });

test("what only reads may start beside a standby; a release may not be loaded into one", async () => {
  await requireServer(server({ standby: true, read_only: "on" }));
  await requireServer(server(good), { writes: true });
});

test("a pooler that refuses or loses what a session begins with is named, and what to set instead", async () => {
  await using database = await openDatabase({ empty: true });
  // what a pooler passes on that ignores our settings
  const plain = new pg.Pool({ connectionString: database.url }).on("error", whenDropped);
  const lost = /leads through a pooler .* set CCX_DATABASE_DIRECT_URL/;
  await assert.rejects(requireSession(plain), lost).finally(() => plain.end());
  await requireSession(database.pool);

  const said = (code: string, message: string) =>
    asConfigurationError(Object.assign(new Error(message), { code }));
  for (const [code, message] of [
    ["08P01", "unsupported startup parameter: idle_in_transaction_session_timeout"],
    ["08P01", "unsupported startup parameter in options: timezone"],
    ["26000", 'prepared statement "decide_due" does not exist'],
    ["42P05", 'prepared statement "ingest" already exists'],
  ] as const)
    assert.match(String(said(code, message)?.message), /leads through a pooler/, message);
  assert.match(String(said("08P01", 'database "x" does not exist')?.message), /does not exist: create it/);
  assert.match(String(said("08P01", "no such user: ccx")?.message), /refused the user or password/);
  assert.equal(said("08P01", "invalid message format"), undefined);
});

test("settings that DATABASE_URL brings along are kept beside ours", async () => {
  await using database = await openDatabase({ empty: true });
  const url = new URL(database.url);
  url.searchParams.set("options", "-c statement_timeout=9s");
  const pool = createPool({ databaseUrl: url.href, size: 1, name: "ccx test", log });
  try {
    assert.equal(await value(pool, "select current_setting('statement_timeout')"), "9s");
    await requireSession(pool);
  } finally {
    await pool.end();
  }
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

test("a database in SQL_ASCII is refused, and one without a search path is as good as any", async () => {
  const name = `ccx_ascii_${process.pid}`;
  const url = new URL(process.env.TEST_DATABASE_URL ?? "");
  url.pathname = name;
  await onServer(`create database ${name} encoding 'SQL_ASCII' locale 'C' template template0`);
  try {
    await assert.rejects(migrate(url.href, log), {
      name: "ConfigurationError",
      message: /encoding SQL_ASCII/,
    });
    const pool = new pg.Pool({ connectionString: url.href }).on("error", whenDropped);
    assert.equal(await value(pool, "select to_regnamespace('ccx')::text").finally(() => pool.end()), null);
  } finally {
    await onServer(`drop database ${name} with (force)`);
  }

  await using database = await openDatabase({ empty: true });
  const own = new URL(database.url).pathname.slice(1);
  await database.pool.query(`alter database ${own} set search_path = ''`);
  await migrate(database.url, log);
  const { code, stdout, stderr } = await runCcx(["policy", "list", "--json"], { DATABASE_URL: database.url });
  assert.deepEqual([code, stderr, JSON.parse(stdout).length], [0, "", 2]);
});

test("a service whose connection is lost while it looks at the database looks again", async () => {
  await using database = await openDatabase({ empty: true });
  let looks = 0;
  const look = async () => {
    looks++;
    if (looks === 1) await database.pool.query("select pg_terminate_backend(pg_backend_pid())");
  };
  await waitForDatabase(database.pool, log, undefined, look);
  assert.equal(looks, 2);
  const wrong = new ConfigurationError("it is of another release");
  await assert.rejects(
    waitForDatabase(database.pool, log, undefined, () => Promise.reject(wrong)),
    wrong,
  );
});

test("a migration that is told how long to wait gives up a database that is away, and names it", async () => {
  const gone = "postgres://dev@127.0.0.1:1/nowhere";
  await assert.rejects(migrate(gone, log, { waitSeconds: 0 }), {
    name: "ConfigurationError",
    message: "The database of DATABASE_URL did not answer within 0 s.",
  });
});
