create or replace function ccx.newest_report_at(org_id bigint, cluster text, at timestamptz)
  returns timestamptz
language sql stable parallel safe
begin atomic
  select r.updated_at
  from new_reports r
  where r.org_id = newest_report_at.org_id and r.cluster = newest_report_at.cluster and r.received_at <= at
    and not exists (
      select from read_errors e
      where e.org_id = r.org_id and e.cluster = r.cluster and e.updated_at = r.updated_at)
  order by r.updated_at desc
  limit 1;
end;

comment on function ccx.newest_report_at(bigint, text, timestamptz) is
  'The time of a cluster''s newest report that had arrived by then and could be read; null: none is left of '
  'then.';
