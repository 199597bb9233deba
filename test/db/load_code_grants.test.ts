import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError } from "../../src/errors.ts";
import { rows } from "../support/builders.ts";
import { catalog } from "../support/catalog.ts";
import { load } from "../support/code.ts";
import { onServer, openDatabase } from "../support/database.ts";

const reader = `ccx reader ${process.pid}`;
const clerk = `ccx_clerk_${process.pid}`;

/** Two people; roles are the server's, and go after the database. */
async function openRoles(): Promise<AsyncDisposable> {
  await onServer(`create role "${reader}"; create role ${clerk}`);
  return { [Symbol.asyncDispose]: () => onServer(`drop role "${reader}", ${clerk}`) };
}

const view = (query: string) => `create or replace view seen with (security_invoker = true) as ${query};`;
const greeting = (returns: string) =>
  `create or replace function greeting(it text) returns ${returns} language sql stable return it;`;
const mood = (column: string) => `create type mood as (${column} text);`;

const given = [view("select 1 as a, 2 as b"), greeting("text"), mood("name")];
const grants = `
  grant select on seen to "${reader}" with grant option;
  grant select (b), update (a) on seen to ${clerk};
  revoke all on function greeting from public;
  grant execute on function greeting to ${clerk};
  revoke all on type mood from public;
  grant usage on type mood to "${reader}"`;

const acls = `
  select 'seen' as name, a::text from pg_class c, aclexplode(c.relacl) a where c.relname = 'seen' and c.relkind = 'v' and a.grantee <> c.relowner
  union all
  select attname, a::text from pg_attribute, aclexplode(attacl) a where attrelid = 'seen'::regclass
  union all
  select 'greeting', a::text from pg_proc p, aclexplode(p.proacl) a where p.proname = 'greeting' and a.grantee <> p.proowner
  union all
  select 'mood', a::text from pg_type t, aclexplode(t.typacl) a where t.typname = 'mood' and a.grantee <> t.typowner
  order by 1, 2`;

for (const [how, changed] of [
  [
    "that are replaced in place",
    [view("select 3 as a, 4 as b"), greeting("text").replace("return it", "return it || it"), mood("name")],
  ],
  [
    "that are dropped and created again",
    [view("select 3 as a, 'x' as b"), greeting("varchar"), mood("title")],
  ],
] as const)
  test(`people's grants on objects ${how} stay`, async () => {
    await using _roles = await openRoles();
    await using database = await openDatabase();
    await load(database.pool, ...given);
    await database.pool.query(grants);
    const before = await rows(database.pool, acls);
    assert.equal(before.length, 5, JSON.stringify(before));
    await load(database.pool, ...changed);
    assert.deepEqual(await rows(database.pool, acls), before);
  });

test("a function with other arguments has the grants of the old one", async () => {
  await using _roles = await openRoles();
  await using database = await openDatabase();
  await load(database.pool, ...given);
  await database.pool.query(grants);
  const before = await rows(database.pool, acls);
  await load(
    database.pool,
    given[0] as string,
    greeting("text").replace("it text", "it text, more text default ''"),
    given[2] as string,
  );
  assert.deepEqual(await rows(database.pool, acls), before);
});

test("a grant on a column that the view no longer has does not stop the release, the others stay", async () => {
  await using _roles = await openRoles();
  await using database = await openDatabase();
  await load(database.pool, ...given);
  await database.pool.query(grants);
  const before = await rows(database.pool, acls);
  await load(database.pool, view("select 1 as a"), given[1] as string, given[2] as string);
  assert.deepEqual(
    await rows(database.pool, acls),
    before.filter(({ name }) => name !== "b"),
  );
});

for (const [what, own, name] of [
  ["view", "create view public.own as select a, b from seen", "view public.own"],
  [
    "materialized view",
    "create materialized view public.own as select b from seen",
    "materialized view public.own",
  ],
  [
    "function",
    "create function public.own() returns bigint begin atomic select sum(b) from seen; end",
    "function public.own()",
  ],
  [
    "function that takes a row",
    "create function public.own(seen) returns text return 'it'",
    "function public.own(public.seen)",
  ],
  ["table", "create table public.own (it seen)", "table public.own"],
  [
    "trigger",
    "create trigger own instead of insert on seen for each row execute function suppress_redundant_updates_trigger()",
    "trigger own on public.seen",
  ],
] as const)
  test(`somebody's ${what} on a view that has to be dropped stops the release by its name`, async () => {
    await using database = await openDatabase();
    await load(database.pool, view("select 1 as a, 2 as b"));
    await database.pool.query(own);
    const before = await catalog(database.pool);
    await assert.rejects(
      load(database.pool, view("select 1 as a, 'two' as b"), greeting("text")),
      (error) =>
        error instanceof ConfigurationError &&
        error.message ===
          `The release has to change view public.seen, but ${name} depends on it and is not part of ccx-notifications: drop it, run \`ccx migrate\`, and create it again.`,
    );
    assert.deepEqual(await catalog(database.pool), before);
    await load(database.pool, view("select 5 as a, 6 as b"));
    const after = await catalog(database.pool);
    assert.notDeepEqual(after, before, "what can be replaced in place is");
  });

test("a default of somebody's column that uses our function stops the release by its name", async () => {
  await using database = await openDatabase();
  await load(database.pool, greeting("text"));
  await database.pool.query("create table public.own (it text default greeting('me'))");
  await assert.rejects(
    load(database.pool, greeting("varchar")),
    /default value .*public\.own\.it depends on it/,
  );
});
