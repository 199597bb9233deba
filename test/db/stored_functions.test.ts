import assert from "node:assert/strict";
import { glob, readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { readCode } from "../../src/db/code_files.ts";
import { type Row, rows } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();
const folder = path.join(import.meta.dirname, "../../sql/stored");
const files = (await Array.fromAsync(glob("*.sql", { cwd: folder })))
  .filter((file) => file !== "index.sql")
  .sort();

const definitions = `
  select pg_get_functiondef(p.oid) as definition, obj_description(p.oid, 'pg_proc') as comment
  from pg_proc p where p.proname = $1`;

for (const file of files)
  test(`the database has ${file} as it is stored`, () =>
    rolledBack(database.pool, async (db) => {
      const name = path.basename(file, ".sql");
      const before = await rows(db, definitions, [name]);
      assert.equal(before.length, 1, "write a migration that creates it");
      await db.query("set local search_path = public, ccx");
      await db.query(await readFile(path.join(folder, file), "utf8"));
      assert.deepEqual(
        await rows(db, definitions, [name]),
        before,
        "this function is stored: write a migration that rewrites the column",
      );
    }));

/** The functions of ours that columns, checks, indexes and defaults use, and those that these use. */
const used = `
  with recursive used as (
    select d.refobjid as oid
    from pg_depend d
    where d.refclassid = 'pg_proc'::regclass and d.classid in ('pg_attrdef'::regclass, 'pg_constraint'::regclass, 'pg_class'::regclass)
    union
    select d.refobjid
    from used u
    join pg_depend d on d.classid = 'pg_proc'::regclass and d.objid = u.oid and d.refclassid = 'pg_proc'::regclass
  )
  select distinct p.proname as name from used u join pg_proc p on p.oid = u.oid
  where p.pronamespace = 'ccx'::regnamespace
  order by 1`;

test("sql/stored/ has every function that stored values depend on, and no other", async () => {
  const names = (await rows(database.pool, used)).map(({ name }: Row) => `${name}.sql`);
  assert.deepEqual(names, files);
});

test("the loader leaves them alone", async () => {
  const loaded = (await readCode()).map(({ name }) => name);
  for (const file of files) assert.ok(!loaded.includes(`function ccx.${path.basename(file, ".sql")}`), file);
});
