-- Locked as set_policy() locks, so that the version that a person looked at is still the one that is changed.
create or replace function ccx.policy_to_change(target text, org_id bigint, rule text) returns bigint
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  perform lock_policies(target_id(policy_to_change.target));
  return (
    select p.id
    from policy p
    where p.target_id = target_id(policy_to_change.target) and p.validity @> clock_timestamp()
      and p.org_id is not distinct from policy_to_change.org_id
      and p.rule_name is not distinct from rule_name(policy_to_change.rule));
end $$;

comment on function ccx.policy_to_change(text, bigint, text) is
  'The version in force of exactly this policy, which nobody else changes until the transaction ends; null: '
  'none.';
