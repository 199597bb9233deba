create or replace function ccx.newest_report(org_id bigint, cluster text) returns text
language sql stable parallel safe
begin atomic
  select coalesce(l.report, (
    select r.report from new_reports r
    where r.org_id = l.org_id and r.cluster = l.cluster and r.updated_at = l.updated_at))
  from latest_report l
  where l.cluster = newest_report.cluster and l.org_id = newest_report.org_id and l.left_at is null;
end;

comment on function ccx.newest_report(bigint, text) is
  'The newest report of a cluster of this organization, wherever it is kept by now; null: there is none, or '
  'somebody removed its day by hand.';
