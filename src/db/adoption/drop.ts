import type { ClientBase, Pool } from "pg";
import { codeOf } from "../errors.ts";
import { tableNames } from "../release.ts";
import { type Dropped, requireUnneeded } from "./dependents.ts";
import {
  inTransaction,
  kept,
  leaving,
  lockTables,
  lockTimeoutMs,
  type Phase,
  staging,
  writerTables,
} from "./phase.ts";

/**
 * Undoes an adoption whose tables are not in the place of theirs yet; fails as `swap` does. Whoever writes
 * waits for the end of the mirror only, not until everything of ours is dropped.
 */
export async function undoBegun(pool: Pool): Promise<void> {
  await inTransaction(pool, async (client) => {
    const { rows } = await client.query<{ mirrored: boolean }>(
      `select to_regprocedure('${staging}.tg_mirror()') is not null as mirrored`,
    );
    if (!rows[0]?.mirrored) return;
    await lockTables(client, "public", ["new_reports", "reported"]);
    await client.query(`drop function ${staging}.tg_mirror() cascade`);
  });
  await inTransaction(pool, async (client) => {
    await dropOurs(client);
  });
}

/** Last step back: nothing of ours stays. */
export async function dropLeaving(pool: Pool): Promise<void> {
  await inTransaction(pool, async (client) => {
    await dropOurs(client);
  });
}

/** What undoing the adoption of this database drops in the end. */
export async function ofOurs(db: Pick<ClientBase, "query">): Promise<Dropped> {
  const { rows } = await db.query<{
    phase: Phase;
    schemas_before: string[];
    had_btree_gist: boolean;
    our_tables: string[];
  }>(`select phase, schemas_before, had_btree_gist, our_tables from ${kept}.adoption`);
  const before = rows[0];
  if (!before) throw new Error("the note of the adoption is empty");
  // none were there before, or there would have been no adoption
  const ours = before.our_tables.length === 0 ? [] : [...before.our_tables, ...(await tableNames())];
  const theirs: readonly string[] = before.phase === "leaving" ? writerTables : [];
  const shared = ["graphile_worker", "graphile_migrate", "extensions"];
  return {
    schemas: [
      ...[staging, leaving, "ccx", "aggregator", "fleet"],
      ...shared.filter((schema) => !before.schemas_before.includes(schema)),
    ],
    tables: [...new Set(ours)].filter((name) => !theirs.includes(name)),
    btreeGist: !before.had_btree_gist,
  };
}

/**
 * Drops what ours consists of and the note of the adoption; their tables are in `public`.
 * @throws ConfigurationError when something of others needs it
 */
async function dropOurs(client: ClientBase): Promise<void> {
  const ours = await ofOurs(client);
  await requireUnneeded(client, ours);
  await dropCode(client);
  // days are gone with their tables
  for (const name of ours.tables) await client.query(`drop table if exists public.${name} cascade`);
  if (ours.btreeGist) await client.query("drop extension if exists btree_gist cascade");
  await client.query(`drop schema if exists ${ours.schemas.join(", ")} cascade`);
  await client.query(`drop schema ${kept} cascade`);
}

/** Drops the functions, views and types that `ccx migrate` has loaded. */
async function dropCode(client: ClientBase): Promise<void> {
  await client.query(`
    do $$
    declare
      it record;
    begin
      if to_regclass('ccx.code_object') is null then
        return;
      end if;
      for it in
        select split_part(o.name, ' ', 1) as kind, o.identity from ccx.code_object o
        where o.name ~ '^(function|view|type) ' order by o.position desc
      loop
        execute format('drop %s if exists %s cascade', it.kind, it.identity);
      end loop;
    end $$`);
}

/** Drops the old tables for good, so that nothing can be undone any more. */
export async function dropKept(pool: Pool): Promise<void> {
  await inTransaction(pool, async (client) => {
    await client.query(`set local lock_timeout = ${lockTimeoutMs}`);
    await client.query(`drop schema ${kept} cascade`);
  });
}

/**
 * Drops everything of ours, and their old tables; tables of others stay.
 * @throws ConfigurationError when something of others needs it
 */
export async function dropEverything(pool: Pool): Promise<string[]> {
  const wanted = [...writerTables, ...(await tableNames())];
  return await inTransaction(pool, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      `select c.relname as name
       from pg_class c
       where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
         and (c.relname = any ($1) or c.relname ~ '^(new_reports|reported)_[0-9]{8}_detached$')
       order by 1`,
      [wanted],
    );
    const tables = rows.map(({ name }) => name);
    const schemas = [
      ...[kept, staging, leaving, "ccx", "aggregator", "fleet"],
      ...["graphile_worker", "graphile_migrate"],
    ];
    await requireUnneeded(client, { schemas, tables, btreeGist: false });
    await client.query(`set local lock_timeout = '10s'`);
    await dropCode(client);
    for (const name of tables) await client.query(`drop table if exists public.${name} cascade`);
    await client.query(`drop schema if exists ${schemas.join(", ")} cascade`);
    // others may use it
    await client.query(`
      do $$ begin
        drop extension if exists btree_gist;
        drop schema if exists extensions;
      exception when dependent_objects_still_exist then
        null;
      end $$`);
    return tables;
  });
}

/** Which of the writer's tables the database lacks. */
export async function missingTables(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    "select name from unnest($1::text[]) name where to_regclass('public.' || name) is null",
    [writerTables],
  );
  return rows.map(({ name }) => name);
}

/** Where the rows of a table are: in ours, and since an adoption in the old one, too. */
async function placesOf(pool: Pool, table: string): Promise<string[]> {
  const { rows } = await pool.query<{ old: boolean }>(
    `select to_regclass('${kept}.${table}') is not null as old`,
  );
  return rows[0]?.old ? [`public.${table}`, `${kept}.${table}`] : [`public.${table}`];
}

/** Deletes all rows of the tables that grow; returns how many. */
export async function emptyTables(pool: Pool): Promise<{ table: string; deleted: number }[]> {
  const done: { table: string; deleted: number }[] = [];
  for (const table of ["read_errors", "new_reports", "reported"]) {
    let deleted = 0;
    for (const place of await placesOf(pool, table))
      deleted += (await pool.query(`delete from ${place}`)).rowCount ?? 0;
    done.push({ table, deleted });
  }
  return done;
}

/** Truncates `reported`, or deletes its rows where a lock cannot be had at once. */
export async function truncateReported(pool: Pool): Promise<{ truncated: boolean; deleted: number }> {
  const places = await placesOf(pool, "reported");
  try {
    return await inTransaction(pool, async (client) => {
      await client.query(`set local lock_timeout = ${lockTimeoutMs}`);
      const { rows } = await client.query<{ rows: string }>(
        `select ${places.map((place) => `(select count(*) from ${place})`).join(" + ")} as rows`,
      );
      await client.query(`truncate ${places.join(", ")}`);
      return { truncated: true, deleted: Number(rows[0]?.rows) };
    });
  } catch (error) {
    if (codeOf(error) !== "55P03") throw error;
    let deleted = 0;
    for (const place of places) deleted += (await pool.query(`delete from ${place}`)).rowCount ?? 0;
    return { truncated: false, deleted };
  }
}
