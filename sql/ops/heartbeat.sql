-- graphile-worker frees the jobs of a killed process after four hours. Here every worker says every 15
-- seconds that it lives, and frees the jobs of those that have been silent for 90: within two minutes of a
-- kill, while any worker runs.
--
-- Who frees has to have been heard without a break for those 90 seconds itself. After an outage of the
-- database all have been silent; then none of them is taken for dead before all had time to come back. A
-- worker that stood still and lives on all the same has lost its locks: a job may run twice at once, which is
-- safe (rows are claimed with leases and row locks, a job is only a wake-up), or a wake-up may go with its
-- job, which the sweep makes good within a minute.
create or replace function ccx.heartbeat(
  pool_id text, host text, pid integer, roles text[], version text, at timestamptz default now()
) returns text[]
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  with me as (
    insert into worker as w (pool_id, host, pid, roles, version, started_at, unbroken_since, seen_at)
    values (
      heartbeat.pool_id, heartbeat.host, heartbeat.pid, heartbeat.roles, heartbeat.version,
      heartbeat.at, heartbeat.at, heartbeat.at)
    on conflict (pool_id) do update
    set seen_at = excluded.seen_at,
        unbroken_since = case
          when excluded.seen_at > w.seen_at + interval '45 seconds' then excluded.seen_at
          else w.unbroken_since end
    returning w.unbroken_since
  ), gone as (
    delete from worker w
    using me
    where me.unbroken_since <= heartbeat.at - interval '90 seconds'
      and w.seen_at < heartbeat.at - interval '90 seconds'
  ), locked as (
    -- also what a pool of which we never heard holds: it died at once, or is of a version that does not say
    -- that it lives
    select distinct j.locked_by as pool_id
    from graphile_worker.jobs j
    cross join me
    where me.unbroken_since <= heartbeat.at - interval '90 seconds'
      and j.locked_at < heartbeat.at - interval '90 seconds'
      and not exists (
        select from worker w
        where w.pool_id = j.locked_by and w.seen_at >= heartbeat.at - interval '90 seconds')
  ), silent as (
    select coalesce(array_agg(l.pool_id order by l.pool_id), '{}') as pool_ids from locked l
  )
  select s.pool_ids
  from silent s
  cross join lateral graphile_worker.force_unlock_workers(s.pool_ids);
$$;

comment on function ccx.heartbeat(text, text, integer, text[], text, timestamptz) is
  'A worker says that it lives. Frees the jobs of workers that have been silent for 90 seconds and returns '
  'the ids of their pools.';
