-- decide() counts a cooldown from told_at by the policy in force now; the ledger's constraint and the sweep go by the
-- period written with the row. After a change of policy the newest row of each issue follows it, longer or shorter.
create or replace function renew_cooldowns(target_id integer, at timestamptz) returns integer
language plpgsql volatile
set search_path = public, pg_temp
as $$
declare
  renewed integer;
begin
  update notified_issue n
  set cooldown_period = tstzrange(n.told_at, greatest(cooldown_end(n.told_at, p.cooldown), n.told_at))
  from policy p
  where p.target_id = renew_cooldowns.target_id
    and p.validity @> renew_cooldowns.at
    and n.target_id = p.target_id
    and n.live
    and upper(n.cooldown_period) is distinct from cooldown_end(n.told_at, p.cooldown)
    and (n.cooldown_period @> renew_cooldowns.at or cooldown_end(n.told_at, p.cooldown) > renew_cooldowns.at)
    and not exists (
      select from notified_issue later
      where later.issue_id = n.issue_id and later.target_id = n.target_id and later.live
        and later.told_at > n.told_at);
  get diagnostics renewed = row_count;
  return renewed;
end $$;

comment on function renew_cooldowns(integer, timestamptz) is
  'Makes the ledger of a target follow the cooldown of its policy in force; returns how many rows changed.';
