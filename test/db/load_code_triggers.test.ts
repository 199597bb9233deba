import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pool } from "pg";
import { rows } from "../support/builders.ts";
import { catalog } from "../support/catalog.ts";
import { changed, code, load, loadAll } from "../support/code.ts";
import { openDatabase } from "../support/database.ts";

const triggers = (pool: Pool) =>
  rows(pool, "select oid, pg_get_triggerdef(oid) as it from pg_trigger where not tgisinternal order by it");

const history = "trigger _100_history on policy";
const wake = "trigger _900_send on wake_up";
const without = (name: string) => code.filter((object) => object.name !== name);

test("triggers that did not change are not created again, whatever else does", async () => {
  await using database = await openDatabase();
  const before = await triggers(database.pool);
  const names = code.filter(({ kind }) => kind !== "trigger" && kind !== "type").map(({ name }) => name);
  const all = names.reduce(
    (objects, name) => changed(objects, name, (sql) => `${sql}\n-- changed`),
    [...code],
  );
  const { loaded } = await loadAll(database.pool, all);
  assert.equal(loaded.length, names.length);
  assert.deepEqual(await triggers(database.pool), before);
});

test("a trigger that changed is replaced, the others stay", async () => {
  await using database = await openDatabase();
  const before = await triggers(database.pool);
  const other = changed(code, history, (sql) => sql.replace("update or delete", "delete"));
  assert.deepEqual(await loadAll(database.pool, other), { loaded: [history], dropped: [] });
  const is = (it: unknown) => String(it).includes("_100_history");
  const found = await triggers(database.pool);
  assert.deepEqual(
    found.filter(({ it }) => !is(it)),
    before.filter(({ it }) => !is(it)),
  );
  assert.match(String(found.find(({ it }) => is(it))?.it), /BEFORE DELETE ON/);
});

test("a constraint trigger that changed is dropped and created, since it cannot be replaced", async () => {
  await using database = await openDatabase();
  const immediate = changed(code, wake, (sql) => sql.replace("initially deferred", "initially immediate"));
  assert.deepEqual(await loadAll(database.pool, immediate), { loaded: [wake], dropped: [] });
  const definition = async () =>
    String((await triggers(database.pool)).find(({ it }) => String(it).includes("_900_send"))?.it);
  assert.match(await definition(), /DEFERRABLE INITIALLY IMMEDIATE/);
  await loadAll(database.pool, code);
  assert.match(await definition(), /DEFERRABLE INITIALLY DEFERRED/);
});

test("a trigger that becomes a constraint trigger, and one that was one, are created anew", async () => {
  await using database = await openDatabase();
  const trigger = (kind: string, rest: string) =>
    `create ${kind} _500_same after update on rule ${rest} for each row execute function suppress_redundant_updates_trigger();`;
  const plain = trigger("or replace trigger", "");
  const constraint = trigger("constraint trigger", "deferrable initially deferred");
  const name = "trigger _500_same on rule";
  for (const sql of [plain, constraint, plain])
    assert.deepEqual(await load(database.pool, sql), { loaded: [name], dropped: [] });
});

test("a trigger that sql/ no longer has is dropped", async () => {
  await using database = await openDatabase();
  const before = await triggers(database.pool);
  for (const name of [history, wake])
    assert.deepEqual(await loadAll(database.pool, without(name)), {
      loaded: name === wake ? [history] : [],
      dropped: [name],
    });
  assert.equal((await triggers(database.pool)).length, before.length - 1);
});

test("a trigger comes back when its function has to be dropped", async () => {
  await using database = await openDatabase();
  const made = (schema: string) => [
    `create or replace function ${schema}.tg_rule__nothing() returns trigger language plpgsql volatile as $$ begin return null; end $$;`,
    `create or replace trigger _500_nothing after update on rule for each row execute function ${schema}.tg_rule__nothing();`,
  ];
  await load(database.pool, ...made("public"));
  const before = (await catalog(database.pool)).length;
  const { loaded, dropped } = await load(database.pool, ...made("ccx"));
  assert.deepEqual(loaded, ["function ccx.tg_rule__nothing", "trigger _500_nothing on rule"]);
  assert.deepEqual(dropped, ["function public.tg_rule__nothing"]);
  assert.equal((await catalog(database.pool)).length, before);
});
