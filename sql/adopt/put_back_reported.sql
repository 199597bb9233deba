-- Their key has no target: what was decided for two targets in the same moment would be one row, so each
-- target after the first is written a microsecond later.
create or replace function ccx.put_back_reported(given reported[]) returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  zone constant text := (select a.time_zone from incumbent.adoption a);
begin
  insert into incumbent.reported as o (org_id, account_number, cluster, notification_type, state, report,
    updated_at, notified_at, error_log, event_type_id)
  select r.org_id::integer,
    case when r.account_number between 0 and 2147483647 then r.account_number else 0 end::integer, r.cluster,
    r.notification_type, r.state, r.report, r.updated_at at time zone zone,
    r.notified_at at time zone zone + case when exists (
        select from incumbent.reported e
        where e.org_id = r.org_id and e.cluster = r.cluster::character(36) collate "default"
          and e.notified_at = r.notified_at at time zone zone and e.event_type_id = r.event_type_id)
      then interval '0' else (r.event_type_id - 1) * interval '1 microsecond' end,
    r.error_log, r.event_type_id
  from unnest(given) r
  where r.org_id between -2147483648 and 2147483647 and length(r.cluster) <= 36
    and (r.cluster = upper(r.cluster) or not exists (
      select from incumbent.reported u
      where u.org_id = r.org_id and u.cluster = upper(r.cluster)::character(36) collate "default"
        and u.notified_at = r.notified_at at time zone zone and u.event_type_id = r.event_type_id))
  order by r.org_id, r.cluster, r.notified_at, r.event_type_id
  on conflict (org_id, cluster, notified_at) do update
  set state = excluded.state, report = excluded.report, error_log = excluded.error_log
  where o.event_type_id = excluded.event_type_id
    and (o.state, o.report, o.error_log) is distinct from
      (excluded.state, excluded.report, excluded.error_log);
  return (
    select count(*) from unnest(given) r
    where r.org_id not between -2147483648 and 2147483647 or length(r.cluster) > 36);
end $$;

comment on function ccx.put_back_reported(reported[]) is
  'Writes these rows to incumbent.reported, unless they are there; returns how many do not fit.';
