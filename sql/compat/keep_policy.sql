-- Compared with what set_policy() would make of it, so that `1 week` and `7 days` are no change: a pass every
-- few minutes must not write a version each time.
create or replace function ccx.keep_policy(target text, wanted jsonb) returns boolean
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  present policy;
begin
  perform lock_policies(target_id(keep_policy.target));
  select p.* into strict present
  from policy p
  where p.target_id = target_id(keep_policy.target) and p.org_id is null and p.rule_name is null
    and p.validity @> now();
  if changed_policy(present, wanted) is not distinct from present then
    return false;
  end if;
  perform set_policy(keep_policy.target, wanted, 'configuration of ccx-notification-service');
  return true;
end $$;

comment on function ccx.keep_policy(text, jsonb) is
  'Makes these settings those of the policy of a target, unless they are so already; true: it was changed.';
