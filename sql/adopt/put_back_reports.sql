-- Everything goes back in the types of the old tables. Their organizations end at 2^31, and their clusters at
-- 36 characters: what is beyond stays out. A row that was taken over from there is there already, maybe in
-- upper case. Compared in the collation of the old tables, or their indexes are not used.
create or replace function ccx.put_back_reports(given new_reports[]) returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  zone constant text := (select a.time_zone from incumbent.adoption a);
begin
  insert into incumbent.new_reports as o (org_id, account_number, cluster, report, updated_at, kafka_offset)
  select r.org_id::integer,
    case when r.account_number between 0 and 2147483647 then r.account_number else 0 end::integer, r.cluster,
    r.report, r.updated_at at time zone zone, r.kafka_offset
  from unnest(given) r
  where r.org_id between -2147483648 and 2147483647 and length(r.cluster) <= 36
    and (r.cluster = upper(r.cluster) or not exists (
      select from incumbent.new_reports u
      where u.org_id = r.org_id and u.cluster = upper(r.cluster)::character(36) collate "default"
        and u.updated_at = r.updated_at at time zone zone))
  order by r.org_id, r.cluster, r.updated_at
  on conflict (org_id, cluster, updated_at) do update
  set account_number = excluded.account_number, report = excluded.report,
    kafka_offset = excluded.kafka_offset
  where o.report is distinct from excluded.report;
  return (
    select count(*) from unnest(given) r
    where r.org_id not between -2147483648 and 2147483647 or length(r.cluster) > 36);
end $$;

comment on function ccx.put_back_reports(new_reports[]) is
  'Writes these reports to incumbent.new_reports, unless they are there; returns how many do not fit.';
