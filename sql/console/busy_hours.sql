-- Reports are counted from the newest one of each cluster, so that the page stays quick: a cluster that
-- reported twice is counted in its last hour only. Holds are reports of which nothing was notified.
create or replace function ccx.busy_hours(at timestamptz default now())
returns table (hour timestamptz, reports bigint, notified bigint, skipped bigint)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select h.hour, coalesce(r.number, 0), coalesce(n.number, 0), coalesce(s.number, 0)
  from generate_series(date_trunc('hour', busy_hours.at, 'UTC') - interval '23 hours',
    date_trunc('hour', busy_hours.at, 'UTC'), interval '1 hour') as h (hour)
  left join (
    select date_trunc('hour', l.received_at, 'UTC') as hour, count(*) as number
    from latest_report l
    where l.received_at >= date_trunc('hour', busy_hours.at, 'UTC') - interval '23 hours'
    group by 1) r using (hour)
  left join (
    select date_trunc('hour', n.decided_at, 'UTC') as hour, count(*) as number
    from notification n
    where n.decided_at >= date_trunc('hour', busy_hours.at, 'UTC') - interval '23 hours'
    group by 1) n using (hour)
  left join (
    select date_trunc('hour', p.notified_at, 'UTC') as hour, count(*) as number
    from reported p
    where p.notified_at >= date_trunc('hour', busy_hours.at, 'UTC') - interval '23 hours'
      and p.state in (select x.id from states x where x.value in ('same', 'lower'))
    group by 1) s using (hour)
  order by h.hour
$$;

comment on function ccx.busy_hours(timestamptz) is
  'For each hour of the last day: clusters whose newest report arrived in it, messages decided, and reports '
  'of which nothing was notified.';
