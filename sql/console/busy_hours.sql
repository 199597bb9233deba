-- Of a large fleet as sweeps have counted it, every ten minutes; of a small one, and for who sees some
-- organizations only, as it is now.
create or replace function ccx.busy_hours(at timestamptz default now())
returns table (hour timestamptz, reports bigint, notified bigint, skipped bigint)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select h.hour, coalesce(c.reports, 0), coalesce(c.notified, 0), coalesce(c.skipped, 0)
  from generate_series(date_trunc('hour', busy_hours.at, 'UTC') - interval '23 hours',
    date_trunc('hour', busy_hours.at, 'UTC'), interval '1 hour') as h (hour)
  left join (
    select n.hour, n.reports, n.notified, n.skipped
    from counted_hours(busy_hours.at - interval '23 hours', busy_hours.at) n
    where not fleet_is_surveyed()
    union all
    select b.hour, b.reports, b.notified, b.skipped
    from busy_hour b
    where fleet_is_surveyed()) c using (hour)
  order by h.hour
$$;

comment on function ccx.busy_hours(timestamptz) is
  'For each hour of the last day: clusters whose newest report arrived in it, messages decided, and reports '
  'of which nothing was notified.';
