create or replace function ccx.renew_cooldowns(
  issue_ids bigint[], target_ids integer[], notified_ats timestamptz[], cooldowns interval[]
) returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  update notified_issue n
  set cooldown_period = cooldown_period(n.notified_at, r.cooldown)
  from unnest(issue_ids, target_ids, notified_ats, cooldowns) as r (issue_id, target_id, notified_at,
    cooldown)
  where n.issue_id = r.issue_id
    and n.target_id = r.target_id
    and n.notified_at = r.notified_at
    and n.live
    and not n.resolved
    and n.cooldown_period <> cooldown_period(n.notified_at, r.cooldown);
end $$;

comment on function ccx.renew_cooldowns(bigint[], integer[], timestamptz[], interval[]) is
  'Lets the periods of these notifications (four arrays, position by position) follow the cooldowns that '
  'are in force now.';
