-- Nested loops by index: the planner cannot know how many issues come, and would read the whole ledger for a
-- few. They also keep the order of the issues, the same for everybody, so that two transactions do not wait
-- for each other in a circle. A replay (void from the beginning of time) is no notification: it supersedes
-- nothing, and is never the last.
create or replace function ccx.supersede_notified(issue_ids bigint[], targets integer[]) returns void
language sql volatile
set search_path = public, ccx, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
as $$
  update notified_issue n
  set superseded_at = s.notified_again_at
  from (
    select t.notification_id, t.issue_id, t.superseded_at,
      lead(t.notified_at, 1, 'infinity') over (partition by t.issue_id, t.target_id order by t.notified_at,
        t.notification_id) as notified_again_at
    from (select distinct i.issue_id, i.target_id
      from unnest(issue_ids, targets) i (issue_id, target_id)) changed
    join notified_issue t on t.issue_id = changed.issue_id and t.target_id = changed.target_id
      and not t.resolved and not lower_inf(t.voided)
    order by t.issue_id, t.target_id
  ) s
  where n.notification_id = s.notification_id and n.issue_id = s.issue_id
    and s.superseded_at <> s.notified_again_at;
$$;

comment on function ccx.supersede_notified(bigint[], integer[]) is
  'Notes for each notification of these issues to these targets (two arrays, position by position) when it '
  'was notified again.';
