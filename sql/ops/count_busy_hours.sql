-- From the hour on that was counted last, since it went on after it was counted: most passes count one hour
-- or two. Clusters that have reported again since then are no longer found in it, so that their first count
-- stays.
create or replace function ccx.count_busy_hours(at timestamptz) returns void
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  insert into busy_hour as b (hour, reports, notified, skipped)
  select c.hour, c.reports, c.notified, c.skipped
  from counted_hours(greatest((select max(x.hour) from busy_hour x where x.hour <= count_busy_hours.at),
    count_busy_hours.at - interval '23 hours'), count_busy_hours.at) c
  order by c.hour
  on conflict (hour) do update set reports = greatest(b.reports, excluded.reports),
    notified = excluded.notified, skipped = excluded.skipped;
  delete from busy_hour b where b.hour < count_busy_hours.at - interval '2 days';
$$;

comment on function ccx.count_busy_hours(timestamptz) is
  'Counts what happened in this hour and in those since the last count, and forgets what is older than two '
  'days.';
