-- Reports are counted from the newest one of each cluster: a cluster that reported twice is counted in its
-- last hour only.
create or replace function ccx.counted_hours(since timestamptz, until timestamptz)
returns table (hour timestamptz, reports bigint, notified bigint, skipped bigint)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select h.hour, coalesce(r.number, 0), coalesce(n.number, 0), coalesce(s.number, 0)
  from generate_series(date_trunc('hour', since, 'UTC'), date_trunc('hour', until, 'UTC'), interval '1 hour')
    as h (hour)
  left join (
    select date_trunc('hour', l.received_at, 'UTC') as hour, count(*) as number
    from latest_report l
    where l.received_at >= date_trunc('hour', since, 'UTC')
    group by 1) r using (hour)
  left join (
    select date_trunc('hour', n.decided_at, 'UTC') as hour, count(*) as number
    from notification n
    where n.decided_at >= date_trunc('hour', since, 'UTC')
    group by 1) n using (hour)
  left join (
    select date_trunc('hour', p.notified_at, 'UTC') as hour, count(*) as number
    from reported p
    where p.notified_at >= date_trunc('hour', since, 'UTC')
      and p.state in (select x.id from states x where x.value in ('same', 'lower'))
    group by 1) s using (hour)
$$;

comment on function ccx.counted_hours(timestamptz, timestamptz) is
  'For each hour of this time: clusters whose newest report arrived in it, messages decided, and reports of '
  'which nothing was notified.';
