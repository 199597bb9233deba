import type { Pool } from "pg";
import {
  inTransaction,
  kept,
  leaving,
  lockTables,
  lockTimeoutMs,
  type Phase,
  phaseOf,
  staging,
  viewsOfBoth,
  writerTables,
} from "./phase.ts";

/** First step: notes what is there, and makes room for our tables beside theirs. */
export async function begin(pool: Pool, timeZone: string, memory: string): Promise<void> {
  await inTransaction(pool, async (client) => {
    await client.query("select pg_advisory_xact_lock(hashtextextended('ccx adopt', 0))");
    if ((await phaseOf(client)) !== "theirs") return;
    await client.query(`
      create schema ${kept};
      comment on schema ${kept} is
        'the tables of the services before ccx-notifications, as they were; ccx adopt --finish drops them';
      grant usage on schema ${kept} to public;
      create table ${kept}.adoption (
        only_row boolean primary key default true check (only_row),
        phase text not null check (phase in ('begun', 'swapped', 'adopted', 'leaving')),
        time_zone text not null,
        memory interval not null,
        schemas_before text[] not null,
        had_btree_gist boolean not null,
        our_tables text[] not null default '{}',
        done jsonb not null default '{}',
        began_at timestamptz not null default now(),
        began_by text not null default session_user,
        swapped_at timestamptz,
        ended_at timestamptz
      );
      comment on table ${kept}.adoption is 'how far ccx adopt is, and what it needs to go on or to undo it';
      grant select on ${kept}.adoption to public;
      create schema ${staging};`);
    await client.query(
      `insert into ${kept}.adoption (phase, time_zone, memory, schemas_before, had_btree_gist)
       select 'begun', $1, $2::interval,
         array(select nspname::text from pg_namespace
           where nspname in ('graphile_worker', 'graphile_migrate', 'extensions')),
         exists (select from pg_extension where extname = 'btree_gist')`,
      [timeZone, memory],
    );
  });
}

/**
 * Puts our tables in the place of theirs, which move to the schema `incumbent`: names only, no row is written
 * or read. Whoever inserts meanwhile waits for that moment. Fails with 55P03 or 57014 when somebody uses one
 * of the tables: to be called again.
 */
export async function swap(pool: Pool): Promise<void> {
  await inTransaction(pool, async (client) => {
    const { rows } = await client.query<{ phase: Phase; time_zone: string }>(
      `select phase, time_zone from ${kept}.adoption for update`,
    );
    if (rows[0]?.phase !== "begun") return;
    const { rows: ours } = await client.query<{ name: string; is_new: boolean }>(
      `select quote_ident(relname) as name, relname <> all ($1) and not relispartition as is_new
       from pg_class
       where relnamespace = '${staging}'::regnamespace and relkind in ('r', 'p')`,
      [writerTables],
    );
    const move = ({ name }: { name: string }) => `alter table ${staging}.${name} set schema public`;
    // everything that can be done before others have to wait
    await client.query(
      ours
        .filter((one) => one.is_new)
        .map(move)
        .join("; "),
    );
    await client.query(sameRights);
    await client.query(
      `update ${staging}.migration_info set version = o.version from public.migration_info o;
       update public.side_by_side set mode = 'adopting'`,
    );
    await client.query(
      `update ${kept}.adoption set phase = 'swapped', swapped_at = clock_timestamp(), our_tables = $1`,
      [ours.map(({ name }) => name)],
    );
    await lockTables(client, "public", writerTables);
    const moves = [
      ...["new_reports", "reported"].map((name) => `drop trigger ccx_mirror on public.${name}`),
      `drop function ${staging}.tg_mirror()`,
      ...writerTables.map((name) => `alter table public.${name} set schema ${kept}`),
      ...ours.filter((one) => !one.is_new).map(move),
      `drop schema ${staging}`,
    ];
    await client.query(moves.join("; "));
  });
}

/** Makes views of the old rows together with those of now, in the types of now. */
export async function showBoth(pool: Pool): Promise<void> {
  const { rows } = await pool.query<{ time_zone: string }>(`select time_zone from ${kept}.adoption`);
  await pool.query(createViewsOfBoth(rows[0]?.time_zone ?? "UTC"));
}

/** Whoever could read or write a table of theirs can do so with ours. */
const sameRights = `
  do $$
  declare
    may record;
  begin
    for may in
      select c.relname, string_agg(distinct lower(a.privilege_type), ', ') as rights,
        case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end as grantee
      from pg_class c
      cross join lateral (
        select x.grantee, x.privilege_type from aclexplode(c.relacl) x
        union all
        select c.relowner, p from unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) p
      ) a (grantee, privilege_type)
      where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
        and c.relname = any ('{${writerTables.join(",")}}')
        and a.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
        and a.grantee <> current_user::regrole
      group by c.relname, a.grantee
    loop
      execute format('grant %s on ${staging}.%I to %s', may.rights, may.relname, may.grantee);
    end loop;
  end $$`;

function createViewsOfBoth(timeZone: string): string {
  const utc = (column: string) => `${column} at time zone '${timeZone.replaceAll("'", "''")}'`;
  const cluster = `lower(o.cluster::text) collate "C"`;
  return `
    create or replace view ${kept}.all_new_reports with (security_invoker = true) as
    select org_id, account_number, cluster, report, updated_at, kafka_offset, received_at
    from public.new_reports
    union all
    select o.org_id, o.account_number, ${cluster}, o.report::text, ${utc("o.updated_at")}, o.kafka_offset,
      ${utc("o.updated_at")}
    from ${kept}.new_reports o
    where not exists (
      select from public.new_reports n
      where n.org_id = o.org_id and n.cluster = ${cluster} and n.updated_at = ${utc("o.updated_at")});
    comment on view ${kept}.all_new_reports is
      'the reports from before and after the adoption, each once; slow over long periods';
    create or replace view ${kept}.all_reported with (security_invoker = true) as
    select org_id, account_number, cluster, notification_type, state, report, updated_at, notified_at,
      error_log, event_type_id
    from public.reported
    union all
    select o.org_id, o.account_number, ${cluster}, o.notification_type, o.state, o.report::text,
      ${utc("o.updated_at")}, ${utc("o.notified_at")}, o.error_log::text, o.event_type_id
    from ${kept}.reported o
    where not exists (
      select from public.reported n
      where n.org_id = o.org_id and n.cluster = ${cluster} and n.notified_at = ${utc("o.notified_at")}
        and n.event_type_id = o.event_type_id);
    comment on view ${kept}.all_reported is
      'what was notified or skipped before and after the adoption, each once; slow over long periods';
    create or replace view ${kept}.all_read_errors with (security_invoker = true) as
    select org_id, cluster, updated_at, error_text, created_at from public.read_errors
    union all
    select o.org_id, ${cluster}, ${utc("o.updated_at")}, o.error_text::text, ${utc("o.created_at")}
    from ${kept}.read_errors o;
    comment on view ${kept}.all_read_errors is 'reports that could not be read, before and after';
    grant select on ${viewsOfBoth.map((name) => `${kept}.${name}`).join(", ")} to public;`;
}

/** Last step of an adoption. */
export async function markAdopted(pool: Pool): Promise<void> {
  await inTransaction(pool, async (client) => {
    await client.query(
      `update ${kept}.adoption set phase = 'adopted', ended_at = now() where phase = 'swapped'`,
    );
    await client.query("update public.side_by_side set mode = 'together', since = now()");
  });
}

/**
 * First step back: from now on whatever is written to our tables is written to theirs, too. Waits for
 * writers, less than half a second: 55P03 or 57014 when they go on, to be called again.
 */
export async function mirror(pool: Pool): Promise<void> {
  await inTransaction(pool, async (client) => {
    await client.query(`set local lock_timeout = ${lockTimeoutMs}`);
    const triggers = ["new_reports", "reported"].flatMap((table) =>
      ["insert", "update"].map(
        (event) => `create or replace trigger _990_mirror_${event} after ${event} on public.${table}
          referencing new table as written for each statement execute function ccx.tg_mirror_to_incumbent()`,
      ),
    );
    await client.query(triggers.join("; "));
    await client.query("update public.side_by_side set mode = 'leaving', since = now()");
  });
}

/** Puts their tables back in their place and those of ours aside; as `swap`, the other way. */
export async function swapBack(pool: Pool): Promise<void> {
  await inTransaction(pool, async (client) => {
    const { rows } = await client.query<{ phase: Phase }>(`select phase from ${kept}.adoption for update`);
    if (rows[0]?.phase !== "swapped" && rows[0]?.phase !== "adopted") return;
    await client.query(
      `drop view if exists ${viewsOfBoth.map((name) => `${kept}.${name}`).join(", ")};
       create schema ${leaving};
       update ${kept}.adoption set phase = 'leaving'`,
    );
    await lockTables(client, "public", writerTables);
    const { rows: days } = await client.query<{ name: string }>(
      `select c.oid::regclass::text as name from pg_class c
       where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
         and c.relname ~ '^(new_reports|reported)_([0-9]{8}(_detached)?|default)$'`,
    );
    const moves = [
      ...days.map(({ name }) => `alter table ${name} set schema ${leaving}`),
      ...writerTables.flatMap((name) => [
        `alter table public.${name} set schema ${leaving}`,
        `alter table ${kept}.${name} set schema public`,
      ]),
    ];
    await client.query(moves.join("; "));
  });
}
