import assert from "node:assert/strict";
import { test } from "node:test";
import { loadCode } from "../../src/db/load_code.ts";
import { migrate } from "../../src/db/migrate.ts";
import { createLogger } from "../../src/log.ts";
import { rows, value } from "../support/builders.ts";
import { catalog } from "../support/catalog.ts";
import { anObject, changed, code, load, loadAll, statementsOf } from "../support/code.ts";
import { openDatabase } from "../support/database.ts";

const log = createLogger("silent");
const greeting = "create or replace function greeting() returns text language sql stable return 'hello';";
const greets = "select greeting()";

test("a second run executes nothing but the look-up", async () => {
  await using database = await openDatabase();
  const state = async () => [
    await catalog(database.pool),
    await rows(database.pool, "select * from ccx.code_load"),
  ];
  const before = await state();
  const client = await database.pool.connect();
  const statements = await statementsOf(client, async () =>
    assert.deepEqual(await loadCode(client, log), { loaded: [], dropped: [] }),
  );
  client.release();
  assert.equal(statements.length, 1, statements.join("\n"));
  assert.match(statements[0] ?? "", /^\s*select/);
  assert.deepEqual(await state(), before);
});

test("migrating where nothing differs waits for no lock", async () => {
  await using database = await openDatabase();
  const other = await database.pool.connect();
  try {
    await other.query("begin");
    await other.query("lock table ccx.code_object, graphile_migrate.migrations in exclusive mode");
    await other.query("select pg_advisory_xact_lock(hashtextextended('ccx migrate', 0))");
    await migrate(database.url, log);
  } finally {
    await other.query("rollback");
    other.release();
  }
});

test("loading everything once more changes nothing in the catalog", async () => {
  await using database = await openDatabase();
  const before = await catalog(database.pool);
  await database.pool.query("update ccx.code_object set hash = ''");
  const { loaded, dropped } = await loadAll(database.pool, code);
  assert.deepEqual([loaded.toSorted(), dropped], [code.map(({ name }) => name).toSorted(), []]);
  assert.deepEqual(await catalog(database.pool), before);
  assert.deepEqual(await loadAll(database.pool, code), { loaded: [], dropped: [] });
});

test("two that load the same at once both succeed, and one of them does it", async () => {
  await using database = await openDatabase();
  const both = await Promise.all([load(database.pool, greeting), load(database.pool, greeting)]);
  assert.deepEqual(
    both.flatMap(({ loaded }) => loaded),
    ["function public.greeting"],
  );
  assert.equal(await value(database.pool, "select count(*)::integer from ccx.code_load"), 2);
});

test("a load is written down with the release and what it did", async () => {
  await using database = await openDatabase();
  await load(database.pool, greeting);
  await load(database.pool);
  const loads = await rows(
    database.pool,
    "select release, loaded, dropped, loaded_by = session_user as by_me from ccx.code_load order by id",
  );
  assert.deepEqual(loads, [
    { release: "0.1.0", loaded: code.length, dropped: 0, by_me: true },
    { release: "0.1.0", loaded: 1, dropped: 0, by_me: true },
    { release: "0.1.0", loaded: 0, dropped: 1, by_me: true },
  ]);
});

test("a failure in the last object changes nothing, and names the file", async () => {
  await using database = await openDatabase();
  await load(database.pool, greeting);
  const before = await catalog(database.pool);
  const broken = [
    ...changed(code, "view public.noise", (sql) => `${sql}\n-- changed`),
    ...anObject(
      greeting.replace("hello", "good morning"),
      "create or replace function last() returns text language sql stable return no_such_function();",
    ),
  ];
  await assert.rejects(loadAll(database.pool, broken), {
    message: "sql/test/last.sql: function no_such_function() does not exist",
  });
  assert.deepEqual(await catalog(database.pool), before);
  assert.equal(await value(database.pool, greets), "hello");
});

test("an object that sql/ no longer has is gone, and what depends on it as well", async () => {
  await using database = await openDatabase();
  const before = await catalog(database.pool);
  await load(
    database.pool,
    "create type mood as (name text);",
    "create or replace function my_mood() returns mood language sql stable return row('good')::mood;",
    "create or replace view moods with (security_invoker = true) as select (my_mood()).name;",
    "create or replace trigger _500_mood after insert on rule for each row execute function suppress_redundant_updates_trigger();",
  );
  const { loaded, dropped } = await load(database.pool);
  assert.deepEqual(loaded, []);
  assert.deepEqual(dropped.toSorted(), [
    "function public.my_mood",
    "trigger _500_mood on rule",
    "type public.mood",
    "view public.moods",
  ]);
  assert.deepEqual(
    (await catalog(database.pool)).filter((it) => !it.startsWith("code ")),
    before.filter((it) => !it.startsWith("code ")),
  );
});

test("an object that something else of ours still uses cannot be removed", async () => {
  await using database = await openDatabase();
  const said = "create or replace view said with (security_invoker = true) as select greeting();";
  await load(database.pool, greeting, said);
  const before = await catalog(database.pool);
  await assert.rejects(load(database.pool, said), {
    message: "sql/test/said.sql: function greeting() does not exist",
  });
  assert.deepEqual(await catalog(database.pool), before);
});

test("an object that was dropped by hand comes back", async () => {
  await using database = await openDatabase();
  const before = await catalog(database.pool);
  await database.pool.query(
    "drop view missing_content; drop trigger _100_history on policy; drop function ccx.announce",
  );
  const { loaded } = await loadAll(database.pool, code);
  assert.deepEqual(loaded.toSorted(), [
    "function ccx.announce",
    "trigger _100_history on policy",
    "view public.missing_content",
  ]);
  assert.deepEqual(await catalog(database.pool), before);
});

test("on an object that moved to another room nothing is executed", async () => {
  await using database = await openDatabase();
  await load(database.pool, greeting);
  const before = await catalog(database.pool);
  const [it] = anObject(greeting);
  assert.ok(it);
  const moved = [{ ...it, file: "elsewhere/greeting.sql" }, ...code.toReversed()];
  assert.deepEqual(await loadAll(database.pool, moved), { loaded: [], dropped: [] });
  assert.deepEqual(await catalog(database.pool), before);
});
