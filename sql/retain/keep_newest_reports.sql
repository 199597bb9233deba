-- Clusters that report every two hours have nothing here: what is kept is the last word of those that
-- stopped. To write each report a second time as it arrives would cost ingest more than everything else that
-- it does.
create or replace function ccx.keep_newest_reports(from_time timestamptz, until_time timestamptz)
  returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  kept integer;
begin
  update latest_report l
  set report = r.report
  from new_reports r
  where r.updated_at >= from_time and r.updated_at < until_time
    and l.updated_at >= from_time and l.updated_at < until_time
    and l.cluster = r.cluster and l.org_id = r.org_id and l.updated_at = r.updated_at
    and l.report is null;
  get diagnostics kept = row_count;
  return kept;
end $$;

comment on function ccx.keep_newest_reports(timestamptz, timestamptz) is
  'Copies into latest_report what is the newest report of its cluster among those of this period, which are '
  'about to go; returns how many.';
