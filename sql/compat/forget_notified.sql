-- A row of the ledger without its row of `reported` is one that somebody deleted or truncated there, and
-- whoever knows only that table expects to be notified again. Nearly all are found by the key of `reported`,
-- as we wrote them; only what is left is looked for in every spelling that another program may have given it.
create or replace function ccx.forget_notified(target text, at timestamptz) returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  messages bigint[];
  issues bigint[];
begin
  with missing as materialized (
    select i.notification_id, i.issue_id, n.org_id, n.cluster, n.decided_at, n.target_id
    from notified_issue i
    join notification n on n.id = i.notification_id
    where i.target_id = target_id(forget_notified.target) and i.live and not i.resolved
      -- by the cooldowns of now: the period in the row may be that of a shorter one
      and i.notified_at > forget_notified.at - longest_cooldown()
      and n.state = 'sent' and n.replay_of is null
      and not exists (
        select from reported r
        where r.org_id = n.org_id and r.cluster = n.cluster and r.notified_at = n.decided_at
          and r.event_type_id = n.target_id and r.state = 1)
  )
  select array_agg(m.notification_id), array_agg(m.issue_id) into messages, issues
  from missing m
  where not exists (
    select from reported r
    where r.org_id = m.org_id and lower(r.cluster) = m.cluster and r.notified_at = m.decided_at
      and r.event_type_id = m.target_id and r.state = 1);
  if messages is null then
    return 0;
  end if;
  perform void_notified(messages, issues, forget_notified.at);
  return cardinality(messages);
end $$;

comment on function ccx.forget_notified(text, timestamptz) is
  'Takes issues out of the ledger whose row of reported is gone, so that they may be notified again; returns '
  'how many.';
