-- Rows are locked in the order of organization and cluster, by their bytes, whoever calls: two sessions that
-- mark the same clusters wait for each other, never in a circle. An update, not "do nothing": a row that a
-- decision holds right now may be deleted, and the mark must not be lost.
create or replace function ccx.mark_due(org_ids bigint[], clusters text[], by_report boolean) returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  marked integer;
begin
  insert into decision_due as d (org_id, cluster, by_report)
  select distinct m.org_id, m.cluster collate "C", mark_due.by_report
  from unnest(org_ids, clusters) as m (org_id, cluster)
  order by m.org_id, m.cluster collate "C"
  on conflict (org_id, cluster) do update set by_report = d.by_report or excluded.by_report;
  get diagnostics marked = row_count;
  return marked;
end $$;

comment on function ccx.mark_due(bigint[], text[], boolean) is
  'Lets these clusters (two arrays, position by position) wait for a decision, because of a new report or '
  'not; returns how many wait by that.';
