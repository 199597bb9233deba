-- Rows are locked in the order of organization and cluster, by their bytes, whoever calls: two sessions that
-- mark the same clusters wait for each other, never in a circle, as long as a transaction calls this once for
-- clusters that it does not hold yet. An update, not "do nothing": a row that a decision holds right now may
-- be deleted, and the mark must not be lost.
--
-- A report behind which more of its partition is known to follow postpones the decision, once; the report
-- that is the last one known makes the cluster due at once. What is no report hastens nothing.
create or replace function ccx.mark_due(
  org_ids bigint[], clusters text[], by_report boolean[],
  due_at timestamptz default now(), backlog_of text default null
) returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  marked integer;
begin
  insert into decision_due as d (org_id, cluster, by_report, due_at, backlog_of)
  select m.org_id, m.cluster collate "C", bool_or(m.by_report), mark_due.due_at, mark_due.backlog_of
  from unnest(org_ids, clusters, mark_due.by_report) as m (org_id, cluster, by_report)
  group by m.org_id, m.cluster collate "C"
  order by m.org_id, m.cluster collate "C"
  on conflict (org_id, cluster) do update
  set by_report = d.by_report or excluded.by_report,
      due_at = case
        when not excluded.by_report or d.backlog_of is not null and excluded.backlog_of is not null
          then d.due_at
        when excluded.backlog_of is not null then greatest(d.due_at, excluded.due_at)
        else least(d.due_at, excluded.due_at) end,
      backlog_of = case when excluded.by_report then excluded.backlog_of else d.backlog_of end;
  get diagnostics marked = row_count;
  return marked;
end $$;

comment on function ccx.mark_due(bigint[], text[], boolean[], timestamptz, text) is
  'Lets these clusters (three arrays, position by position) wait for a decision, because of a new report '
  'or not, until due_at at most for the rest of the partition backlog_of; returns how many wait by that.';
