-- Deleted and entered anew: renumbered one by one, rows would meet the constraints on their way. Where both
-- issues were notified within one cooldown, the later notification is the one that counts: from then on the
-- earlier one is void. So is a message that the issue is gone, if by its other name it was not.
create or replace function ccx.move_notified(
  issue_ids bigint[], occurrences integer[], are_last boolean[], new_issue_ids bigint[],
    new_occurrences integer[]
) returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  entries notified_issue[];
  was constant text := may_rewrite('on');
begin
  with moved as materialized (
    select m.* from unnest(issue_ids, occurrences, are_last, new_issue_ids, new_occurrences)
      as m (issue_id, occurrence, is_last, new_issue_id, new_occurrence)
  ), whole as (
    select distinct m.issue_id, m.new_issue_id from moved m
  ), gone as (
    delete from notified_issue n
    using whole w
    where n.issue_id = w.issue_id
    returning n.*, w.new_issue_id
  ), named as (
    -- one message that names both names the issue once
    select distinct on (g.notification_id, g.new_issue_id) g.*,
      coalesce(m.new_occurrence, g.occurrence) as moved_to, m.is_last
    from gone g
    left join moved m on m.issue_id = g.issue_id and m.occurrence = g.occurrence
    order by g.notification_id, g.new_issue_id, g.live desc, g.left_out, g.issue_id = g.new_issue_id desc
  ), followed as (
    select n.*,
      case
        when not n.live then null
        when n.resolved and not n.is_last then now()
        when n.resolved then lead(n.notified_at) over same_end
        when n.cooldown_period && lead(n.cooldown_period) over (
            partition by n.new_issue_id, n.target_id, n.live, n.resolved
              order by n.notified_at, n.notification_id)
          then lead(n.notified_at) over (
            partition by n.new_issue_id, n.target_id, n.live, n.resolved
              order by n.notified_at, n.notification_id)
      end as void_from
    from named n
    window same_end as (
      partition by n.new_issue_id, n.target_id, n.live, n.resolved, n.moved_to, n.is_last
      order by n.notified_at, n.notification_id)
  )
  select array_agg((f.notification_id, f.new_issue_id, f.content_id, f.policy_id, f.notified_at,
    f.superseded_at, f.target_id, f.moved_to, f.resolved, f.live, f.left_out, f.cooldown_period,
    case when f.void_from is null then f.voided else f.voided + tstzmultirange(tstzrange(f.void_from, null))
    end, f.left_out_reasons)::notified_issue order by f.new_issue_id, f.notified_at)
  into entries
  from followed f;

  insert into notified_issue (notification_id, issue_id, target_id, notified_at, cooldown_period, occurrence,
    content_id, policy_id, resolved, superseded_at, voided, left_out, left_out_reasons)
  select e.notification_id, e.issue_id, e.target_id, e.notified_at, e.cooldown_period, e.occurrence,
    e.content_id, e.policy_id, e.resolved, e.superseded_at, e.voided, e.left_out, e.left_out_reasons
  from unnest(entries) e;
  perform may_rewrite(was);
end $$;

comment on function ccx.move_notified(bigint[], integer[], boolean[], bigint[], integer[]) is
  'Lets what was notified of these occurrences of issues (arrays, position by position) be of other ones.';
