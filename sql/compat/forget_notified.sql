-- A row of the ledger without its row of `reported` is one that somebody deleted or truncated there, and
-- whoever knows only that table expects to be notified again. Names of clusters are compared in small
-- letters, and as another program may have written them.
create or replace function ccx.forget_notified(target text, at timestamptz) returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  messages bigint[];
  issues bigint[];
begin
  select array_agg(i.notification_id), array_agg(i.issue_id) into messages, issues
  from notified_issue i
  join notification n on n.id = i.notification_id
  where i.target_id = target_id(forget_notified.target) and i.live and not i.resolved
    -- by the cooldowns of now: the period in the row may be that of a shorter one
    and i.notified_at > forget_notified.at - longest_cooldown()
    and n.state = 'sent' and n.replay_of is null
    and not exists (
      select from reported r
      where r.org_id = n.org_id and r.cluster in (n.cluster, upper(n.cluster))
        and r.notified_at = n.decided_at and r.event_type_id = n.target_id and r.state = 1);
  if messages is null then
    return 0;
  end if;
  perform void_notified(messages, issues, forget_notified.at);
  return cardinality(messages);
end $$;

comment on function ccx.forget_notified(text, timestamptz) is
  'Takes issues out of the ledger whose row of reported is gone, so that they may be notified again; returns '
  'how many.';
