import type { ClientBase, Pool } from "pg";
import { z } from "zod";
import { ConfigurationError } from "../errors.ts";
import { codeOf } from "./errors.ts";
import { tableNames } from "./release.ts";

/** The tables of the notification writer, whose schema an adoption takes over. */
export const writerTables = [
  "new_reports",
  "reported",
  "read_errors",
  "states",
  "notification_types",
  "event_targets",
  "migration_info",
] as const;

/**
 * How far an adoption is. `nothing`: neither their tables nor ours; `theirs`: their tables, not begun;
 * `begun`: our tables are made beside theirs; `swapped`: ours are in their place; `adopted`: it is done;
 * `leaving`: theirs are back, ours are about to go; `ours`: a database that was ours from the beginning, or
 * whose old tables are gone.
 */
export type Phase = "nothing" | "theirs" | "begun" | "swapped" | "adopted" | "leaving" | "ours";

/** Where the old tables are kept. */
const kept = "incumbent";
/** Where ours are made before they take the place of theirs. */
const staging = "ccx_staging";
/** Where ours go when theirs come back. */
const leaving = "ccx_leaving";

export const stagingSchema = staging;

/** Their moments of exclusive use: everybody who comes after us waits behind us. */
const lockTimeoutMs = 250;
const lockStatementMs = 400;

const listed = (names: readonly string[], schema: string): string =>
  names.map((name) => `${schema}.${name}`).join(", ");

/** How far the adoption of this database is. */
export async function phaseOf(db: Pick<ClientBase, "query">): Promise<Phase> {
  const { rows } = await db.query<{ begun: boolean; kind: string | null }>(
    `select to_regclass('${kept}.adoption') is not null as begun,
       (select c.relkind from pg_class c where c.oid = to_regclass('public.new_reports')) as kind`,
  );
  if (rows[0]?.begun) {
    const { rows: found } = await db.query<{ phase: Phase }>(`select phase from ${kept}.adoption`);
    if (found[0]) return found[0].phase;
  }
  if (rows[0]?.kind === "p") return "ours";
  return rows[0]?.kind === "r" ? "theirs" : "nothing";
}

/** The columns of their schema version 8, as PostgreSQL writes their types. */
const columns: Record<(typeof writerTables)[number], string[]> = {
  new_reports: [
    ...["org_id integer", "account_number integer", "cluster character(36)", "report character varying"],
    ...["updated_at timestamp without time zone", "kafka_offset bigint"],
  ],
  reported: [
    ...["org_id integer", "account_number integer", "cluster character(36)", "notification_type integer"],
    ...["state integer", "report character varying", "updated_at timestamp without time zone"],
    ...["notified_at timestamp without time zone", "error_log character varying", "event_type_id integer"],
  ],
  read_errors: [
    ...["error_id integer", "org_id integer", "cluster character(36)"],
    ...["updated_at timestamp without time zone", "error_text character varying(1000)"],
    "created_at timestamp without time zone",
  ],
  states: ["id integer", "value character varying", "comment character varying"],
  notification_types: [
    ...["id integer", "value character varying", "frequency character varying", "comment character varying"],
  ],
  event_targets: ["id integer", "name character varying", "metainfo character varying"],
  migration_info: ["version integer"],
};

/** Why their tables cannot be taken over: a sentence for each reason; none when they can. */
export async function obstacles(pool: Pool): Promise<string[]> {
  const { rows: found } = await pool.query<{ name: string; columns: string[]; kind: string; mine: boolean }>(
    `select c.relname as name, c.relkind as kind, pg_has_role(c.relowner, 'member') as mine,
       array_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) order by a.attname) as columns
     from pg_class c
     join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.relnamespace = 'public'::regnamespace and c.relname = any ($1)
     group by c.oid`,
    [writerTables],
  );
  const problems: string[] = [];
  for (const name of writerTables) {
    const table = found.find((one) => one.name === name);
    if (table?.kind !== "r") {
      problems.push(`There is no table ${name}: bring the database to version 8 with their writer first.`);
      continue;
    }
    const wanted = columns[name].toSorted();
    const odd = [
      ...wanted.filter((column) => !table.columns.includes(column)).map((column) => `lacks ${column}`),
      ...table.columns.filter((column) => !wanted.includes(column)).map((column) => `also has ${column}`),
    ];
    if (odd.length > 0) problems.push(`Table ${name} is not that of version 8: it ${odd.join(", ")}.`);
    if (!table.mine) problems.push(`Table ${name} belongs to somebody else: connect as its owner.`);
  }
  if (problems.length === 0) problems.push(...(await versionProblems(pool)));
  const { rows } = await pool.query<{ problem: string }>(
    `select format('There is a schema %s that an adoption would make: rename it.', nspname) as problem
     from pg_namespace
     where nspname in ('ccx', '${kept}', '${staging}', '${leaving}')
     union all
     select format('There is a table or view %s that ours would replace: rename it.', c.relname)
     from pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relname = any ($1) and c.relname <> all ($2)
     union all
     select 'The extension btree_gist cannot be had on this server: install it.'
     where not exists (select from pg_available_extensions where name = 'btree_gist')
     union all
     select 'This user may not create schemas in the database: grant create on it.'
     where not has_database_privilege(current_database(), 'create')
     union all
     select 'This user may not create tables in the schema public: grant create on it.'
     where not has_schema_privilege('public', 'create')`,
    [await tableNames(), writerTables],
  );
  return [...problems, ...rows.map(({ problem }) => problem)];
}

async function versionProblems(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ version: number }>("select version from public.migration_info");
  if (rows.length !== 1) return [`migration_info has ${rows.length} rows instead of one: correct it.`];
  return rows[0]?.version === 8
    ? []
    : [`The schema is of version ${rows[0]?.version}: bring it to version 8 with their writer first.`];
}

/** What depends on their tables and will go on with the old ones: views, foreign keys, publications. */
export async function dependentsOnTheirs(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ remark: string }>(
    `with theirs as (
       select c.oid, c.relname from pg_class c
       where c.relnamespace = 'public'::regnamespace and c.relname = any ($1))
     select distinct format('The view %s reads %s and goes on to read the old table: create it again.',
       v.oid::regclass, t.relname) as remark
     from pg_depend d
     join theirs t on t.oid = d.refobjid and d.refclassid = 'pg_class'::regclass
     join pg_rewrite w on w.oid = d.objid and d.classid = 'pg_rewrite'::regclass
     join pg_class v on v.oid = w.ev_class
     where v.oid <> t.oid
     union all
     select format('The trigger %s of %s stays on the old table.', g.tgname, t.relname)
     from pg_trigger g
     join theirs t on t.oid = g.tgrelid
     where not g.tgisinternal
     union all
     select format('The foreign key %s of %s stays on the old table.', k.conname, k.conrelid::regclass)
     from pg_constraint k
     join theirs t on t.oid = k.confrelid
     where k.contype = 'f' and k.conrelid not in (select oid from theirs)
     union all
     select format('The publication %s goes on to publish the old table %s.', p.pubname, t.relname)
     from pg_publication_rel r
     join pg_publication p on p.oid = r.prpubid
     join theirs t on t.oid = r.prrelid
     order by 1`,
    [writerTables],
  );
  return rows.map(({ remark }) => remark);
}

const volume = z.object({
  table: z.string(),
  rows: z.coerce.number(),
  estimated: z.boolean(),
  bytes: z.coerce.number(),
});
export type Volume = z.infer<typeof volume>;

/** Above so many rows, the statistics say how many there are: counting would take minutes. */
const countUpTo = 5_000_000;

/** How many rows and bytes their tables have. */
export async function volumes(pool: Pool, schema: "public" | "incumbent" = "public"): Promise<Volume[]> {
  const found: Volume[] = [];
  for (const table of writerTables) {
    const name = `${schema}.${table}`;
    const { rows } = await pool.query(
      `select $2 as table, reltuples::bigint as rows, true as estimated,
         pg_total_relation_size(oid) as bytes
       from pg_class where oid = $1::regclass`,
      [name, table],
    );
    const one = volume.parse(rows[0]);
    if (one.rows <= countUpTo) {
      const counted = await pool.query<{ rows: string }>(`select count(*) as rows from ${name}`);
      one.rows = Number(counted.rows[0]?.rows);
      one.estimated = false;
    }
    found.push(one);
  }
  return found;
}

const carried = z.object({
  clusters: z.coerce.number(),
  reports: z.coerce.number(),
  sent: z.coerce.number(),
  bytes: z.coerce.number(),
  unreadable: z.coerce.number(),
  future: z.coerce.number(),
});
/** What is copied into our tables; `unreadable` and `future` count clusters and rows that are left out. */
export type Carried = z.infer<typeof carried>;

/** What an adoption of now would copy: the same rows that the functions of the room adopt choose. */
export async function carriedOver(pool: Pool, timeZone: string, memory: string): Promise<Carried> {
  const { rows } = await pool.query(
    `with clock as (
       select (now() + interval '5 minutes') at time zone $1 as latest,
         ((now() at time zone 'UTC' - $2::interval) at time zone 'UTC') at time zone $1 as oldest,
         now() at time zone $1 as present
     ), newest as (
       select distinct on (o.org_id, o.cluster) o.org_id, o.cluster, o.updated_at
       from public.new_reports o, clock
       where o.updated_at <= clock.latest and isfinite(o.updated_at)
       order by o.org_id, o.cluster, o.updated_at desc
     ), report as (
       select r.bytes
       from newest n
       left join lateral (
         select length(r.report) as bytes
         from public.new_reports r
         where r.org_id = n.org_id and r.cluster = n.cluster and r.updated_at <= n.updated_at
           and pg_input_is_valid(r.report, 'jsonb')
         order by r.updated_at desc
         limit 1) r on true
     ), sent as (
       select count(*) as rows, coalesce(sum(length(r.report)), 0) as bytes
       from public.reported r, clock
       where r.state = 1 and r.notified_at > clock.oldest and r.notified_at <= clock.present
     )
     select count(*) as clusters, count(r.bytes) as reports, count(*) - count(r.bytes) as unreadable,
       (select rows from sent) as sent, coalesce(sum(r.bytes), 0) + (select bytes from sent) as bytes,
       (select count(*) from public.new_reports o, clock
        where o.updated_at > clock.latest) as future
     from report r`,
    [timeZone, memory],
  );
  return carried.parse(rows[0]);
}

/** Settles whether the server knows the time zone and the interval. @throws ConfigurationError */
export async function checkOptions(pool: Pool, timeZone: string, memory: string): Promise<void> {
  const { rows } = await pool.query<{ zone: boolean; memory: boolean }>(
    `select exists (select from pg_timezone_names where name = $1) as zone,
       case when pg_input_is_valid($2, 'interval') then $2::interval > '0' and $2::interval < '100 years'
         else false end as memory`,
    [timeZone, memory],
  );
  if (!rows[0]?.zone) throw new ConfigurationError(`PostgreSQL knows no time zone ${timeZone}.`);
  if (!rows[0]?.memory)
    throw new ConfigurationError(`A cooldown has to be a time such as "8 days", not ${memory}.`);
}

/**
 * Calls `work` while no other adoption of this database goes on; the signal is aborted when the connection
 * that keeps others away is lost.
 * @throws ConfigurationError when one does
 */
export async function alone<T>(pool: Pool, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  const lost = new AbortController();
  client.once("error", (error) => lost.abort(error));
  try {
    const { rows } = await client.query<{ alone: boolean }>(
      "select pg_try_advisory_lock(hashtextextended('ccx adopt alone', 0)) as alone",
    );
    if (!rows[0]?.alone)
      throw new ConfigurationError("Another `ccx adopt` is at work on this database: wait for its end.");
    return await work(lost.signal);
  } finally {
    client.release(true); // and with its session the lock is gone
  }
}

/** How many processes of ours have shown that they live within the last minute. */
export async function livingWorkers(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ living: number }>(
    "select count(*)::integer as living from public.worker where seen_at > now() - interval '1 minute'",
  );
  return rows[0]?.living ?? 0;
}

/** A transaction on one connection. */
async function inTransaction<T>(pool: Pool, work: (client: ClientBase) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query("begin");
    const result = await work(client);
    await client.query("commit");
    return result;
  } catch (error) {
    broken = error as Error;
    await client.query("rollback").then(
      () => {
        broken = undefined;
      },
      () => undefined,
    );
    throw error;
  } finally {
    client.release(broken);
  }
}

/** Takes these tables for itself, or fails with 55P03 or 57014 after less than half a second. */
async function lockTables(client: ClientBase, schema: string, tables: readonly string[]): Promise<void> {
  await client.query(`set local lock_timeout = ${lockTimeoutMs}`);
  await client.query(`set local statement_timeout = ${lockStatementMs}`);
  await client.query(`lock table ${listed(tables, schema)} in access exclusive mode`);
  await client.query("set local statement_timeout = 0");
}

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

/** How many days of the past get partitions before rows of them are copied. */
const daysBack = 8;

/** Makes the partitions of the days that are kept and of those ahead, as `ensure_partition()` does later. */
export async function makeDays(pool: Pool): Promise<void> {
  await pool.query(`
    do $$
    declare
      parent text;
      day date;
      name text;
    begin
      foreach parent in array array['new_reports', 'reported'] loop
        for day in
          select generate_series(today - ${daysBack}, today + 3, interval '1 day')::date
          from (select (now() at time zone 'UTC')::date as today) t
        loop
          name := format('%s_%s', parent, to_char(day, 'YYYYMMDD'));
          continue when to_regclass('${staging}.' || name) is not null;
          execute format('create table ${staging}.%I (like ${staging}.%I including all)', name, parent);
          execute format('alter table ${staging}.%I attach partition ${staging}.%I for values from (%L) to (%L)',
            parent, name, day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
          execute format('comment on table ${staging}.%I is %L', name, format('%s of %s', parent, day));
        end loop;
      end loop;
    end $$`);
}

/** A row of theirs, in the types of ours. */
const asOurs = (zone: string, row = "o") => {
  const utc = (column: string) => `${row}.${column} at time zone ${zone}`;
  return {
    report: `${row}.org_id, ${row}.account_number, lower(${row}.cluster::text), ${row}.report,
      ${utc("updated_at")}, ${row}.kafka_offset, least(${utc("updated_at")}, now())`,
    sent: `${row}.org_id, ${row}.account_number, lower(${row}.cluster::text), 1, 1, ${row}.report,
      ${utc("updated_at")}, ${utc("notified_at")}, ${row}.error_log, ${row}.event_type_id`,
  };
};

const intoReports = `insert into ${staging}.new_reports
  (org_id, account_number, cluster, report, updated_at, kafka_offset, received_at)`;
const intoReported = `insert into ${staging}.reported (org_id, account_number, cluster, notification_type,
  state, report, updated_at, notified_at, error_log, event_type_id)`;

/**
 * From now on, what is written to their tables is written to ours, too. Waits for writers, less than half a
 * second: 55P03 or 57014 when they go on, to be called again.
 */
export async function mirrorTheirs(pool: Pool): Promise<void> {
  const zone = `(select a.time_zone from ${kept}.adoption a)`;
  await inTransaction(pool, async (client) => {
    await client.query(`set local lock_timeout = ${lockTimeoutMs}`);
    await client.query(`
      create or replace function ${staging}.tg_mirror() returns trigger
      language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
      as $$
      begin
        if tg_table_name = 'new_reports' then
          ${intoReports} select ${asOurs(zone, "w").report} from written w on conflict do nothing;
        else
          ${intoReported} select ${asOurs(zone, "w").sent} from written w where w.state = 1
          on conflict do nothing;
        end if;
        return null;
      end $$`);
    for (const table of ["new_reports", "reported"])
      await client.query(
        `create or replace trigger ccx_mirror after insert on public.${table}
         referencing new table as written for each statement execute function ${staging}.tg_mirror()`,
      );
  });
}

/** Where copying goes on: after this cluster, in the order of their key. */
export type Place = { org: number; cluster: string };

const copied = z.object({ org: z.number(), cluster: z.string(), rows: z.number() });

/**
 * Copies the newest report that can be read and is not of the future, of each of the next clusters. Older ones
 * stay in the old table: to parse and store a week of them takes hours, and says nothing to any decision.
 * @returns the last of these clusters and how many rows were copied; undefined when there were no more
 */
export async function copyReports(
  pool: Pool,
  after: Place,
  batchSize: number,
): Promise<(Place & { rows: number }) | undefined> {
  const { rows } = await pool.query(
    `with clock as (
       select (now() + interval '5 minutes') at time zone $1 as latest
     ), newest as materialized (
       select distinct on (o.org_id, o.cluster) o.org_id, o.cluster, o.updated_at
       from public.new_reports o
       where (o.org_id, o.cluster) > ($2::integer, $3::character(36))
         and o.updated_at <= (select latest from clock) and isfinite(o.updated_at)
       order by o.org_id, o.cluster, o.updated_at desc
       limit $4
     ), stored as (
       ${intoReports}
       select ${asOurs("$1").report}
       from newest n
       cross join lateral (
         select *
         from public.new_reports r
         where r.org_id = n.org_id and r.cluster = n.cluster and r.updated_at <= n.updated_at
           and pg_input_is_valid(r.report, 'jsonb')
         order by r.updated_at desc
         limit 1
       ) o
       on conflict do nothing
       returning 1
     )
     select l.org_id as org, l.cluster::text as cluster, (select count(*) from stored)::integer as rows
     from newest l
     order by l.org_id desc, l.cluster desc
     limit 1`,
    [(await noteOf(pool)).time_zone, after.org, after.cluster, batchSize],
  );
  return rows[0] && copied.parse(rows[0]);
}

/**
 * Copies what was sent about the next clusters and may still be in its cooldown. What was skipped stays in the
 * old table. Returns as `copyReports`.
 */
export async function copySent(
  pool: Pool,
  target: number,
  after: Place,
  batchSize: number,
): Promise<(Place & { rows: number }) | undefined> {
  const { time_zone: zone, memory } = await noteOf(pool);
  const { rows } = await pool.query(
    `with next_clusters as materialized (
       select distinct o.org_id, o.cluster
       from public.reported o
       where o.event_type_id = $5 and o.state = 1
         and (o.org_id, o.cluster) > ($2::integer, $3::character(36))
       order by o.org_id, o.cluster
       limit $4
     ), stored as (
       ${intoReported}
       select ${asOurs("$1").sent}
       from next_clusters n
       join public.reported o on o.org_id = n.org_id and o.cluster = n.cluster
       where o.event_type_id = $5 and o.state = 1
         and o.notified_at > ((now() at time zone 'UTC' - $6::interval) at time zone 'UTC') at time zone $1
         and o.notified_at <= now() at time zone $1
       on conflict do nothing
       returning 1
     )
     select l.org_id as org, l.cluster::text as cluster, (select count(*) from stored)::integer as rows
     from next_clusters l
     order by l.org_id desc, l.cluster desc
     limit 1`,
    [zone, after.org, after.cluster, batchSize, target, memory],
  );
  return rows[0] && copied.parse(rows[0]);
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
    const { rows: ours } = await client.query<{ name: string }>(
      `select quote_ident(relname) as name from pg_class
       where relnamespace = '${staging}'::regnamespace and relkind in ('r', 'p')`,
    );
    await lockTables(client, "public", writerTables);
    const moves = [
      ...["new_reports", "reported"].map((name) => `drop trigger ccx_mirror on public.${name}`),
      `drop function ${staging}.tg_mirror()`,
      ...writerTables.map((name) => `alter table public.${name} set schema ${kept}`),
      ...ours.map(({ name }) => `alter table ${staging}.${name} set schema public`),
    ];
    await client.query(moves.join("; "));
    await client.query(sameRights);
    await client.query(`update public.migration_info set version = o.version from ${kept}.migration_info o`);
    await client.query("update public.side_by_side set mode = 'adopting'");
    await client.query(viewsOfBoth(rows[0].time_zone));
    await client.query(`drop schema ${staging}`);
    await client.query(
      `update ${kept}.adoption set phase = 'swapped', swapped_at = clock_timestamp(), our_tables = $1`,
      [ours.map(({ name }) => name)],
    );
  });
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
      where c.relnamespace = '${kept}'::regnamespace and c.relkind = 'r' and c.relname <> 'adoption'
        and a.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
        and a.grantee <> current_user::regrole
      group by c.relname, a.grantee
    loop
      execute format('grant %s on public.%I to %s', may.rights, may.relname, may.grantee);
    end loop;
  end $$`;

/** Views of the old rows together with those of now, in the types of now. */
function viewsOfBoth(timeZone: string): string {
  const utc = (column: string) => `${column} at time zone '${timeZone.replaceAll("'", "''")}'`;
  const cluster = `lower(o.cluster::text) collate "C"`;
  return `
    create view ${kept}.all_new_reports with (security_invoker = true) as
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
    create view ${kept}.all_reported with (security_invoker = true) as
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
    create view ${kept}.all_read_errors with (security_invoker = true) as
    select org_id, cluster, updated_at, error_text, created_at from public.read_errors
    union all
    select o.org_id, ${cluster}, ${utc("o.updated_at")}, o.error_text::text, ${utc("o.created_at")}
    from ${kept}.read_errors o;
    comment on view ${kept}.all_read_errors is 'reports that could not be read, before and after';
    grant select on ${kept}.all_new_reports, ${kept}.all_reported, ${kept}.all_read_errors to public;`;
}

/** Notes how far the copying is, so that the next one goes on from there. */
export async function noteDone(pool: Pool, what: Record<string, unknown>): Promise<void> {
  await pool.query(`update ${kept}.adoption set done = done || $1::jsonb`, [JSON.stringify(what)]);
}

const noted = z.object({
  time_zone: z.string(),
  memory: z.string(),
  done: z.record(z.string(), z.unknown()),
  began_at: z.string(),
  began_by: z.string(),
});

/** What was noted when the adoption began, and how far it is. */
export async function noteOf(pool: Pool): Promise<z.infer<typeof noted>> {
  const { rows } = await pool.query(
    `select time_zone, memory, done, began_at, began_by from ${kept}.adoption`,
  );
  return noted.parse(rows[0]);
}

/** Whether somebody has begun to undo the adoption. */
export async function isLeaving(pool: Pool): Promise<boolean> {
  const { rows } = await pool.query<{ mode: string }>("select mode from public.side_by_side");
  return rows[0]?.mode === "leaving";
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

/** Undoes an adoption whose tables are not in the place of theirs yet; fails as `swap` does. */
export async function undoBegun(pool: Pool): Promise<void> {
  await inTransaction(pool, async (client) => {
    const { rows } = await client.query<{ mirrored: boolean }>(
      `select to_regprocedure('${staging}.tg_mirror()') is not null as mirrored`,
    );
    if (rows[0]?.mirrored) {
      await lockTables(client, "public", ["new_reports", "reported"]);
      await client.query(`drop function ${staging}.tg_mirror() cascade`);
    }
    await client.query(`drop schema if exists ${staging} cascade`);
    await dropOurs(client);
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

/** Puts their tables back in their place and ours aside; as `swap`, the other way. */
export async function swapBack(pool: Pool): Promise<void> {
  const wanted = await tableNames();
  await inTransaction(pool, async (client) => {
    const { rows } = await client.query<{ phase: Phase; our_tables: string[] }>(
      `select phase, our_tables from ${kept}.adoption for update`,
    );
    if (rows[0]?.phase !== "swapped" && rows[0]?.phase !== "adopted") return;
    await lockTables(client, "public", writerTables);
    const { rows: ours } = await client.query<{ name: string }>(
      `select c.oid::regclass::text as name
       from pg_class c
       where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
         and (quote_ident(c.relname) = any ($1) or c.relname = any ($2)
           or c.relname ~ '^(new_reports|reported)_([0-9]{8}(_detached)?|default)$')`,
      [rows[0].our_tables, wanted],
    );
    const moves = [
      `drop view ${kept}.all_new_reports, ${kept}.all_reported, ${kept}.all_read_errors`,
      `create schema ${leaving}`,
      ...ours.map(({ name }) => `alter table ${name} set schema ${leaving}`),
      ...writerTables.map((name) => `alter table ${kept}.${name} set schema public`),
      `update ${kept}.adoption set phase = 'leaving'`,
    ];
    await client.query(moves.join("; "));
  });
}

/** Last step back: nothing of ours stays. */
export async function dropLeaving(pool: Pool): Promise<void> {
  await inTransaction(pool, async (client) => {
    await dropOurs(client);
  });
}

/** Drops what ours consists of, apart from tables in `public`, and the note of the adoption. */
async function dropOurs(client: ClientBase): Promise<void> {
  const { rows } = await client.query<{ schemas_before: string[]; had_btree_gist: boolean }>(
    `select schemas_before, had_btree_gist from ${kept}.adoption`,
  );
  const before = rows[0];
  if (!before) throw new Error("the note of the adoption is empty");
  await client.query(`drop schema if exists ${leaving} cascade`);
  await dropCode(client);
  await client.query("drop schema if exists ccx cascade");
  if (!before.had_btree_gist) await client.query("drop extension if exists btree_gist cascade");
  for (const schema of ["graphile_worker", "graphile_migrate", "extensions"])
    if (!before.schemas_before.includes(schema))
      await client.query(`drop schema if exists ${schema} cascade`);
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

/** Drops everything of ours, and their old tables: what is left is an empty database, but for others' tables. */
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
    await client.query(`set local lock_timeout = '10s'`);
    await dropCode(client);
    for (const { name } of rows) await client.query(`drop table if exists public.${name} cascade`);
    for (const schema of [kept, staging, leaving, "ccx", "graphile_worker", "graphile_migrate"])
      await client.query(`drop schema if exists ${schema} cascade`);
    // others may use it
    await client.query(`
      do $$ begin
        drop extension if exists btree_gist;
        drop schema if exists extensions;
      exception when dependent_objects_still_exist then
        null;
      end $$`);
    return rows.map(({ name }) => name);
  });
}

/** Who is in the way of a lock on these tables: a sentence for each session. */
export async function whoHolds(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ who: string }>(
    `select distinct format('process %s of %s (%s), whose transaction began at %s', a.pid,
       coalesce(nullif(a.application_name, ''), 'an unnamed program'), a.usename,
       to_char(a.xact_start, 'YYYY-MM-DD HH24:MI:SS')) as who
     from pg_locks l
     join pg_stat_activity a on a.pid = l.pid
     join pg_class c on c.oid = l.relation
     where l.locktype = 'relation' and l.granted and a.pid <> pg_backend_pid()
       and l.database = (select oid from pg_database where datname = current_database())
       and c.relnamespace in ('public'::regnamespace, to_regnamespace('${kept}'))
       and c.relname = any ($1)`,
    [writerTables],
  );
  return rows.map(({ who }) => who);
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
