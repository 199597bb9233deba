import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pool } from "pg";
import { rows, value } from "../support/builders.ts";
import { load } from "../support/code.ts";
import { openDatabase } from "../support/database.ts";

const view = (name: string, query: string) =>
  `create or replace view ${name} with (security_invoker = true) as ${query};`;
const sqlFunction = (signature: string, result: string, body: string) =>
  `create or replace function ${signature} returns ${result} language sql stable begin atomic ${body}; end;`;

/** A chain in which each uses the one before, down to a function and a view that use a view. */
const chain = [
  view("third", "select a, b from base"),
  sqlFunction("fourth(given integer)", "integer", "select a + given from third"),
  view("fifth", "select fourth(1) as five"),
];

const overloads = (pool: Pool, name: string) =>
  rows(pool, "select oid::regprocedure::text as it from pg_proc where proname = $1 order by 1", [name]).then(
    (found) => found.map(({ it }) => it),
  );

test("another text replaces a function in place", async () => {
  await using database = await openDatabase();
  const oid = "select 'greeting()'::regprocedure::oid";
  await load(database.pool, sqlFunction("greeting()", "text", "select 'hello'"));
  const before = await value(database.pool, oid);
  await load(database.pool, sqlFunction("greeting()", "text", "select 'good morning'"));
  assert.equal(await value(database.pool, "select greeting()"), "good morning");
  assert.equal(await value(database.pool, oid), before);
});

test("other arguments arrive, with what depends on the function, and the old overload is gone", async () => {
  await using database = await openDatabase();
  const uses = (call: string) => [
    view("base", `select ${call} as a, 2 as b`),
    ...chain,
    sqlFunction("loose()", "integer", `select ${call}`),
  ];
  await load(database.pool, sqlFunction("f(x integer)", "integer", "select x"), ...uses("f(1)"));
  assert.equal(await value(database.pool, "select five from fifth"), 2);
  await load(database.pool, sqlFunction("f(x text)", "integer", "select length(x)"), ...uses("f('four')"));
  assert.deepEqual(await overloads(database.pool, "f"), ["f(text)"]);
  assert.deepEqual(await rows(database.pool, "select five, loose() from fifth"), [{ five: 5, loose: 4 }]);
});

test("one more argument with a default is no ambiguity for those who call with fewer", async () => {
  await using database = await openDatabase();
  const user = view("uses", "select f(1) as it");
  await load(database.pool, sqlFunction("f(x integer)", "integer", "select x"), user);
  await load(
    database.pool,
    sqlFunction("f(x integer, y integer default 5)", "integer", "select x + y"),
    user,
  );
  assert.deepEqual(await overloads(database.pool, "f"), ["f(integer,integer)"]);
  assert.equal(await value(database.pool, "select it from uses"), 6);
});

test("another name of an argument arrives", async () => {
  await using database = await openDatabase();
  const user = view("uses", "select f(1) as it");
  await load(database.pool, sqlFunction("f(x integer)", "integer", "select x"), user);
  await load(database.pool, sqlFunction("f(y integer)", "integer", "select y + 1"), user);
  assert.equal(await value(database.pool, "select f(y => 1) + it from uses"), 4);
});

test("another result arrives, with a chain of views and functions that depend on it", async () => {
  await using database = await openDatabase();
  const rest = [view("base", "select f() as a, 2 as b"), ...chain];
  await load(database.pool, sqlFunction("f()", "integer", "select 1"), ...rest);
  const { loaded, dropped } = await load(
    database.pool,
    sqlFunction("f()", "bigint", "select 10::bigint"),
    ...[
      ...rest.slice(0, 2),
      (rest[2] as string).replace("select a + given", "select (a + given)::integer"),
      ...rest.slice(3),
    ],
  );
  assert.deepEqual(dropped, []);
  assert.deepEqual(loaded, [
    "function public.f",
    "view public.base",
    "view public.third",
    "function public.fourth",
    "view public.fifth",
  ]);
  assert.equal(await value(database.pool, "select five from fifth"), 11);
});

for (const [what, query] of [
  ["dropped", "select 1 as a"],
  ["renamed", "select 1 as a, 2 as c"],
  ["of another type", "select 1 as a, 'two' as b"],
  ["in another order", "select 2 as b, 1 as a"],
] as const)
  test(`a column of a view that is ${what} arrives, with those that depend on the view`, async () => {
    await using database = await openDatabase();
    const rest = [view("third", "select a from base"), ...chain.slice(1)];
    await load(database.pool, view("base", "select 1 as a, 2 as b"), ...rest);
    await load(database.pool, view("base", query), ...rest);
    const expected = await rows(database.pool, query);
    assert.deepEqual(await rows(database.pool, "select * from base"), expected);
    assert.deepEqual(
      Object.keys((await rows(database.pool, "select * from base"))[0] ?? {}),
      Object.keys(expected[0] ?? {}),
    );
    assert.equal(await value(database.pool, "select five from fifth"), 2);
  });

test("a column more at the end of a view replaces it in place", async () => {
  await using database = await openDatabase();
  const oids = "select array['base'::regclass::oid, 'third'::regclass::oid]";
  await load(database.pool, view("base", "select 1 as a, 2 as b"), ...chain);
  const before = await value(database.pool, oids);
  const { loaded } = await load(database.pool, view("base", "select 1 as a, 2 as b, 3 as c"), ...chain);
  assert.deepEqual(loaded, ["view public.base"]);
  assert.deepEqual(await value(database.pool, oids), before);
});

test("another composite type arrives, with what takes or returns it", async () => {
  await using database = await openDatabase();
  const rest = [
    sqlFunction("mine()", "setof mood", "select 'good' as name, 1 as degree"),
    sqlFunction("best(moods mood[])", "text", "select max(name) from unnest(moods)"),
    view("moods", "select name, degree from mine()"),
    "create or replace function later() returns text language plpgsql stable as $$ declare it mood; begin select * into it from mine(); return it.name; end $$;",
  ];
  await load(database.pool, "create type mood as (name text, degree integer);", ...rest);
  assert.equal(await value(database.pool, "select later()"), "good");
  const { loaded } = await load(
    database.pool,
    "create type mood as (name text, degree integer, since date);",
    (rest[0] as string).replace("1 as degree", "1 as degree, null::date as since"),
    ...rest.slice(1),
  );
  assert.deepEqual(loaded.toSorted(), [
    "function public.best",
    "function public.mine",
    "type public.mood",
    "view public.moods",
  ]);
  assert.equal(await value(database.pool, "select later() || best(array(select mine()))"), "goodgood");
});

test("what was a view is a function now, and the other way round", async () => {
  await using database = await openDatabase();
  await load(database.pool, view("one", "select 1 as it"), sqlFunction("two()", "integer", "select 2"));
  await load(database.pool, view("two", "select 2 as it"), sqlFunction("one()", "integer", "select 1"));
  assert.deepEqual(await rows(database.pool, "select one(), it, to_regclass('one') as gone from two"), [
    { one: 1, it: 2, gone: null },
  ]);
});

test("one that is dropped after another one of ours, which goes in the same release", async () => {
  await using database = await openDatabase();
  // old uses the type and the view; the view uses the type, and stays
  const kept = view("kept", "select row('a')::mood as mood");
  const old = sqlFunction("old(it mood)", "mood", "select mood from kept");
  await load(database.pool, "create type mood as (name text);", kept, old);
  const { dropped } = await load(database.pool, "create type mood as (title text);", kept);
  assert.deepEqual(dropped, ["function public.old"]);
  assert.equal(await value(database.pool, "select (mood).title from kept"), "a");
});

test("somebody's own function of the same name stays, and ours is the one that is replaced", async () => {
  await using database = await openDatabase();
  const own = "create function f(text, text) returns text language sql as $$ select 'own' $$";
  await load(database.pool, sqlFunction("f(x integer)", "text", "select 'ours'"));
  await database.pool.query(own);
  const both = "select f('a', 'b') || f(1)";
  await load(database.pool, sqlFunction("f(x integer)", "text", "select 'in place'"));
  assert.equal(await value(database.pool, both), "ownin place");
  await load(database.pool, sqlFunction("f(x bigint)", "text", "select 'other arguments'"));
  assert.equal(await value(database.pool, both), "ownother arguments");
  await load(database.pool);
  assert.deepEqual(await overloads(database.pool, "f"), ["f(text,text)"]);
});
