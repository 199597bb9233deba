import type { Pool } from "pg";
import { z } from "zod";
import { ConfigurationError } from "../../errors.ts";
import { tableNames } from "../release.ts";
import { kept, leaving, staging, writerTables } from "./phase.ts";

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
     where nspname in ('ccx', 'aggregator', 'fleet', '${kept}', '${staging}', '${leaving}')
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
