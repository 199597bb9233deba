import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { migrate } from "../../src/db/migrate.ts";
import { createLogger } from "../../src/log.ts";
import { rows, value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";

const database = testDatabase();
const root = path.join(import.meta.dirname, "../..");
const log = createLogger("silent");

/** What the database consists of, as text to compare. */
async function catalog(pool: pg.Pool): Promise<string[]> {
  const objects = `
    select concat_ws(' ', 'relation', c.relname, c.relkind, c.reloptions, pg_get_expr(c.relpartbound, c.oid),
      obj_description(c.oid, 'pg_class')) as it
    from pg_class c where c.relnamespace = 'public'::regnamespace
    union all
    select concat_ws(' ', 'column', c.relname, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull,
      a.attidentity, a.attgenerated, a.attcollation, a.attcompression, pg_get_expr(d.adbin, d.adrelid),
      col_description(c.oid, a.attnum))
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace = 'public'::regnamespace
    union all
    select concat_ws(' ', 'function', pg_get_functiondef(p.oid), obj_description(p.oid, 'pg_proc'), p.proacl)
    from pg_proc p where p.pronamespace = 'public'::regnamespace and p.prokind in ('f', 'p')
    union all
    select concat_ws(' ', 'view', c.relname, pg_get_viewdef(c.oid))
    from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('v', 'm')
    union all
    select concat_ws(' ', 'trigger', pg_get_triggerdef(t.oid), t.tgenabled) from pg_trigger t where not t.tgisinternal
    union all
    select concat_ws(' ', 'index', pg_get_indexdef(c.oid))
    from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('i', 'I')
    union all
    select concat_ws(' ', 'constraint', o.conrelid::regclass, o.conname, pg_get_constraintdef(o.oid))
    from pg_constraint o where o.connamespace = 'public'::regnamespace
    union all
    select concat_ws(' ', 'type', t.typname, obj_description(t.oid, 'pg_type'))
    from pg_type t where t.typnamespace = 'public'::regnamespace
    union all
    select concat_ws(' ', 'row', s) from states s
    union all
    select concat_ws(' ', 'row', t) from event_targets t
    union all
    select concat_ws(' ', 'row', t) from notification_types t
    union all
    select concat_ws(' ', 'row', p) from policy p
    order by 1`;
  return (await rows(pool, objects)).map(({ it }) => String(it));
}

/**
 * Migrates, and waits until graphile-migrate has let go of its connections: it keeps them for another 200 ms, and ends
 * the process when one is lost meanwhile, as it would be when the database is dropped.
 */
async function migrated(url: string): Promise<void> {
  await migrate(url, log);
  const others = `select count(*)::integer from pg_stat_activity
    where datname = $1 and application_name = '' and backend_type = 'client backend'`;
  while ((await value(database.pool, others, [new URL(url).pathname.slice(1)])) !== 0) await sleep(20);
}

test("migrating a migrated database does nothing", async () => {
  const migrations = "select hash, filename, date from graphile_migrate.migrations order by filename";
  const before = [await catalog(database.pool), await rows(database.pool, migrations)];
  await migrated(database.url);
  assert.deepEqual([await catalog(database.pool), await rows(database.pool, migrations)], before);
});

test("running sql/index.sql again changes nothing", async () => {
  const before = await catalog(database.pool);
  await database.pool.query(await expanded(path.join(root, "sql/index.sql")));
  assert.deepEqual(await catalog(database.pool), before);
});

async function expanded(file: string): Promise<string> {
  const text = await readFile(file, "utf8");
  const parts = text.split("\n").map((line) => {
    const [, included] = /^--!include (\S+)$/.exec(line) ?? [];
    return included ? expanded(path.join(root, "sql", included)) : line;
  });
  return (await Promise.all(parts)).join("\n");
}

test("the chain replays from zero, and two at once both succeed", async () => {
  const url = new URL(database.url);
  const name = `${url.pathname.slice(1)}_fresh`;
  await database.pool.query(`create database ${name}`);
  url.pathname = name;
  const fresh = new pg.Pool({ connectionString: url.href, application_name: "ccx test" });
  try {
    await Promise.all([migrated(url.href), migrated(url.href)]);
    // graphile-migrate compares the hash of every file, and the hash it names as its predecessor's, while it does
    assert.ok((await rows(fresh, "select filename from graphile_migrate.migrations")).length > 0);
    const found = await catalog(fresh);
    assert.ok(found.length > 300, `${found.length} objects`);
    assert.deepEqual(found, await catalog(database.pool));
  } finally {
    await fresh.end();
    await database.pool.query(`drop database ${name}`);
  }
});

test("nothing is uncommitted", async () => {
  const current = await readFile(path.join(root, "migrations/current.sql"), "utf8");
  assert.deepEqual(
    current.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("--")),
    [],
    "commit it: npx graphile-migrate commit",
  );
  assert.doesNotMatch(current, /^--!\s*include/m);
});
