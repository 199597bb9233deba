import type { Pool } from "pg";
import { z } from "zod";
import { inTransaction, kept, lockTimeoutMs, noteOf, staging } from "./phase.ts";

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
          execute format(
            'alter table ${staging}.%I attach partition ${staging}.%I for values from (%L) to (%L)',
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
 * Copies the newest report that can be read and is not of the future, of each of the next clusters. Older
 * ones stay in the old table: to parse and store a week of them takes hours, and decides nothing.
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
 * Copies what was sent about the next clusters and may still be in its cooldown. What was skipped stays in
 * the old table. Returns as `copyReports`.
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
