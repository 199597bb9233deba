create or replace function ccx.requeue_stuck(at timestamptz) returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  requeued integer := 0;
begin
  -- a try that fails sets the time anew, one that succeeds removes the row; this is for a try that is lost
  with due as (
    update stuck_cluster s
    set next_try_at = requeue_stuck.at + interval '10 minutes'
    where s.ctid = any (array(
      select d.ctid from stuck_cluster d where d.next_try_at <= requeue_stuck.at
      for update skip locked))
    returning s.org_id, s.cluster, s.by_report
  ), marked as (
    select mark_due(array_agg(d.org_id), array_agg(d.cluster), d.by_report) as clusters
    from due d
    group by d.by_report
  )
  select coalesce(sum(m.clusters), 0) into requeued from marked m;
  return requeued;
end $$;

comment on function ccx.requeue_stuck(timestamptz) is
  'Lets the clusters wait for a decision again that were put aside and whose next try is due; returns how '
  'many.';
