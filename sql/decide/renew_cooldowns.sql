-- decide() counts a cooldown from told_at by the policy in force now; the ledger's constraint and the sweep go by the
-- period written with the row. After a change of policy the newest row of each issue follows it, longer or shorter.
create or replace function renew_cooldowns(target_id integer, at timestamptz) returns integer
language plpgsql volatile
set search_path = public, pg_temp
as $$
declare
  renewed integer;
begin
  with verdict as materialized (
    select v.org_id, v.rule_id, v.cooldown from verdict(renew_cooldowns.target_id, renew_cooldowns.at) v
  ), wanted as (
    select n.notification_id, n.issue_id, n.told_at,
      cooldown_end(n.told_at, coalesce(own.cooldown, everybody.cooldown)) as ends_at
    from notified_issue n
    join issue i on i.id = n.issue_id
    left join verdict everybody on everybody.rule_id = i.rule_id and everybody.org_id is null
    left join verdict own on own.rule_id = i.rule_id and own.org_id = i.org_id
    where n.target_id = renew_cooldowns.target_id
      and n.live
      and not exists (
        select from notified_issue later
        where later.issue_id = n.issue_id and later.target_id = n.target_id and later.live
          and later.told_at > n.told_at)
  )
  update notified_issue n
  set cooldown_period = tstzrange(n.told_at, greatest(w.ends_at, n.told_at))
  from wanted w
  where n.notification_id = w.notification_id
    and n.issue_id = w.issue_id
    and upper(n.cooldown_period) is distinct from w.ends_at
    and (n.cooldown_period @> renew_cooldowns.at or w.ends_at > renew_cooldowns.at);
  get diagnostics renewed = row_count;
  return renewed;
end $$;

comment on function renew_cooldowns(integer, timestamptz) is
  'Makes the ledger of a target follow the cooldown of its policy in force; returns how many rows changed.';
