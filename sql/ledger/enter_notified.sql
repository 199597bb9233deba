create or replace function ccx.enter_notified(entries notified_issue[])
  returns table (notification_id bigint, issue_id bigint)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  return query
  insert into notified_issue as n
    (notification_id, issue_id, target_id, notified_at, cooldown_period, occurrence, content_id, policy_id,
      resolved,
      superseded_at, voided)
  select e.notification_id, e.issue_id, e.target_id, e.notified_at, e.cooldown_period, e.occurrence,
    e.content_id, e.policy_id,
    e.resolved, e.superseded_at, e.voided
  from unnest(entries) e
  order by e.issue_id, e.target_id, e.notified_at
  -- somebody else wrote to the ledger since the decision: the constraint is right
  on conflict do nothing
  returning n.notification_id, n.issue_id;
end $$;

comment on function ccx.enter_notified(notified_issue[]) is
  'Enters issues that are notified into the ledger; returns those that were taken: not one that was '
  'notified through the same target within its cooldown.';
