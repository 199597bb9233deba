create or replace function ccx.take_stuck(at timestamptz)
  returns table (org_id bigint, cluster text, by_report boolean)
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  -- a try that fails sets the time anew, one that succeeds removes the row; this is for a try that is lost
  update stuck_cluster s
  set next_try_at = take_stuck.at + interval '10 minutes'
  where s.ctid = any (array(
    select d.ctid from stuck_cluster d where d.next_try_at <= take_stuck.at
    for update skip locked))
  returning s.org_id, s.cluster, s.by_report
$$;

comment on function ccx.take_stuck(timestamptz) is
  'The clusters that were put aside and whose next try is due; they have to wait for a decision again. Asks '
  'for the try after it in ten minutes.';
