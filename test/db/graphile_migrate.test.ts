import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import pg from "pg";
import { catalog } from "../support/catalog.ts";
import { openDatabase, type TestDatabase, testDatabase } from "../support/database.ts";
import { cleanEnvironment } from "../support/service.ts";

const database = testDatabase({ asMigrated: true });
const root = path.join(import.meta.dirname, "../..");
const run = promisify(execFile);

/** A copy of what graphile-migrate works on: the migrations, and its settings with their actions. */
async function openProject(ours: TestDatabase, shadow: TestDatabase) {
  const folder = await mkdtemp(path.join(tmpdir(), "ccx-migrations-test-"));
  await copyFile(path.join(root, ".gmrc"), path.join(folder, ".gmrc"));
  await cp(path.join(root, "migrations/committed"), path.join(folder, "migrations/committed"), {
    recursive: true,
  });
  await mkdir(path.join(folder, "migrations"), { recursive: true });
  await copyFile(path.join(root, "migrations/current.sql"), path.join(folder, "migrations/current.sql"));
  for (const name of ["bin", "sql"]) await symlink(path.join(root, name), path.join(folder, name));
  await symlink("../sql", path.join(folder, "migrations/fixtures"));
  const env = cleanEnvironment({
    DATABASE_URL: ours.url,
    SHADOW_DATABASE_URL: shadow.url,
    ROOT_DATABASE_URL: process.env.TEST_DATABASE_URL,
    PATH: [path.join(root, "node_modules/.bin"), process.env.PATH].join(path.delimiter),
  });
  const current = path.join(folder, "migrations/current.sql");
  return {
    graphileMigrate: (...args: string[]) => run("graphile-migrate", args, { cwd: folder, env }),
    committed: async () => (await readdir(path.join(folder, "migrations/committed"))).sort(),
    current: () => readFile(current, "utf8"),
    write: (text: string) => writeFile(current, text),
    file: async (text: string) => {
      await writeFile(path.join(folder, "one.sql"), text);
      return path.join(folder, "one.sql");
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

/** On a connection that is closed again: `reset` drops the database. */
async function on<T>(url: string, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const pool = new pg.Pool({ connectionString: url, max: 1, options: "-c search_path=public,ccx" });
  // `reset` may end the connection before its own end has got through
  pool.on("error", () => undefined);
  const client = await pool.connect();
  try {
    return await work(client);
  } finally {
    client.release();
    await pool.end();
  }
}

const ask = (url: string, sql: string) =>
  on(url, async (client) => Object.values((await client.query(sql)).rows[0] ?? {})[0]);

const change = "drop table if exists tomorrow;\ncreate table tomorrow (id integer primary key);\n";
const there = "select to_regclass('public.tomorrow') is not null";
const stale = "update ccx.code_object set hash = 'stale' where name = 'function ccx.announce'";
const isStale = "select hash = 'stale' from ccx.code_object where name = 'function ccx.announce'";

test("graphile-migrate's commands do what docs/guides/changing-the-database.md says", async (t) => {
  await using ours = await openDatabase({ empty: true });
  await using shadow = await openDatabase({ empty: true });
  await using project = await openProject(ours, shadow);
  const { graphileMigrate } = project;
  const expected = await on(database.url, catalog);
  const first = await project.committed();

  await t.test("migrate brings the tables of an empty database, then the code", async () => {
    await graphileMigrate("migrate");
    assert.deepEqual(await on(ours.url, catalog), expected);
  });

  await t.test(
    "migrate leaves the code alone where no migration is pending, unless it is forced",
    async () => {
      await ask(ours.url, stale);
      await graphileMigrate("migrate");
      assert.equal(await ask(ours.url, isStale), true);
      await graphileMigrate("migrate", "--forceActions");
      assert.equal(await ask(ours.url, isStale), false);
    },
  );

  await t.test("reset --erase makes the database anew, with the worker's schema and the code", async () => {
    await ask(ours.url, "create table mine ()");
    await graphileMigrate("reset", "--erase");
    assert.deepEqual(await on(ours.url, catalog), expected);
  });

  await t.test("watch --once runs current.sql and loads the code, but only when it differs", async () => {
    await project.write(change);
    await ask(ours.url, stale);
    await graphileMigrate("watch", "--once");
    assert.deepEqual([await ask(ours.url, there), await ask(ours.url, isStale)], [true, false]);
    await ask(ours.url, stale);
    await graphileMigrate("watch", "--once");
    assert.equal(await ask(ours.url, isStale), true, "an edit of sql/ alone is not seen");
  });

  await t.test("commit proves the chain on the shadow database, and writes the change down", async () => {
    await graphileMigrate("commit", "-m", "tomorrow");
    const files = await project.committed();
    assert.deepEqual(files, [...first, `00000${first.length + 1}-tomorrow.sql`]);
    assert.equal(await ask(shadow.url, there), true);
    assert.match(await project.current(), /^-- Write the next change of tables here/);
  });

  await t.test("uncommit brings it back to current.sql", async () => {
    await graphileMigrate("uncommit");
    assert.deepEqual(await project.committed(), first);
    assert.match(await project.current(), /create table tomorrow/);
  });

  await t.test("compile and run take the files of sql/ that are included", async () => {
    const file = await project.file("--!include stored/rule_name.sql\nselect 1;\n");
    assert.match((await graphileMigrate("compile", file)).stdout, /function ccx\.rule_name\(spelling text\)/);
    await ask(ours.url, "comment on function ccx.rule_name(text) is 'another'");
    await graphileMigrate("run", file);
    const comment = "select obj_description('ccx.rule_name(text)'::regprocedure, 'pg_proc') = 'another'";
    assert.equal(await ask(ours.url, comment), false);
  });
});
