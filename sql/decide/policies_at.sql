-- The target-wide policy may be looked at with a change that nobody has made (backtest): null for what really stands.
create or replace function policies_at(target integer, at timestamptz, change jsonb) returns setof policy
language sql stable parallel safe
begin atomic
  select p.*
  from policy p
  where p.target_id = target and p.validity @> at and (change is null or num_nonnulls(p.org_id, p.rule_name) > 0)
  union all
  select changed.*
  from policy p
  cross join lateral changed_policy(p, change, at) changed
  where p.target_id = target and p.validity @> at and change is not null and num_nonnulls(p.org_id, p.rule_name) = 0;
end;

comment on function policies_at(integer, timestamptz, jsonb) is
  'The policies of a target that are in force at this time; with a change (settings as for set_policy) applied to the target-wide one, or null.';
