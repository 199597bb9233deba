-- For the brake, and for who looks. Every ten minutes is enough, and nobody waits for a sweep that somebody
-- left open.
create or replace function ccx.count_fleet(at timestamptz) returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  perform from sweep_mark m
  where m.counted_at <= count_fleet.at - interval '10 minutes'
  for update skip locked;
  if found then
    update sweep_mark
    set counted_at = count_fleet.at, reporting_clusters = (
      select count(*) from latest_report l where within_reevaluation_window(l.updated_at, count_fleet.at));
    perform count_busy_hours(count_fleet.at);
    delete from notified_count c where c.counted_at < count_fleet.at - interval '2 hours';
  end if;
end $$;

comment on function ccx.count_fleet(timestamptz) is
  'Counts the clusters that reported within a day, for the brake, and what happened in the last hours; '
  'forgets what it counted hours ago.';
