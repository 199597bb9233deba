-- Nearly always the ledger takes all of them: asked to pass over what it refuses, PostgreSQL would look every
-- row up in each unique index and in the constraint before it enters it, and in the constraint again
-- afterwards. So that is asked only where something was refused, or where another session and this one wait
-- for each other: that one began first, its entries stay.
create or replace function ccx.enter_notified(entries notified_issue[])
  returns table (notification_id bigint, issue_id bigint)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  entering constant text := $query$
    with entered as (
      insert into notified_issue as n
        (notification_id, issue_id, target_id, notified_at, cooldown_period, occurrence, content_id,
          policy_id, resolved, superseded_at, voided)
      select e.notification_id, e.issue_id, e.target_id, e.notified_at, e.cooldown_period, e.occurrence,
        e.content_id, e.policy_id, e.resolved, e.superseded_at, e.voided
      from unnest($1) e
      order by e.issue_id, e.target_id, e.notified_at
      %s
      returning n.notification_id, n.issue_id
    )
    select array_agg(e.notification_id), array_agg(e.issue_id) from entered e
  $query$;
  messages bigint[];
  issues bigint[];
begin
  begin
    execute format(entering, '') into messages, issues using entries;
  exception when unique_violation or exclusion_violation or deadlock_detected then
    -- somebody else wrote to the ledger since the decision: the constraint is right
    execute format(entering, 'on conflict do nothing') into messages, issues using entries;
  end;
  return query select * from unnest(messages, issues);
end $$;

comment on function ccx.enter_notified(notified_issue[]) is
  'Enters issues that are notified into the ledger; returns those that were taken: not one that was '
  'notified through the same target within its cooldown.';
