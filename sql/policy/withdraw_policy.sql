-- With the rights of the owner: nobody else may delete a version of a policy, and what has begun is refused.
create or replace function withdraw_policy(id bigint, reason text) returns policy
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  withdrawn policy;
  effect record;
begin
  if length(btrim(coalesce(withdraw_policy.reason, ''))) < 5 then
    raise exception 'the withdrawal of a policy needs a reason that a colleague understands'
      using errcode = 'NTP15';
  end if;
  perform lock_policies(p.target_id) from policy p where p.id = withdraw_policy.id;
  select * into effect from policy_effect(withdraw_policy.id);
  perform set_config('ccx.reason', withdraw_policy.reason, true);
  delete from policy p
  where p.id = withdraw_policy.id and lower(p.validity) > now()
  returning * into withdrawn;
  perform set_config('ccx.reason', '', true);
  if withdrawn.id is null then
    raise exception 'there is no planned policy %: what has begun can only be changed or ended',
      withdraw_policy.id
      using errcode = 'NTP16';
  end if;
  if effect.held + effect.released > 0 then
    raise notice 'of % open issues it would have held % and released % from %', effect.open_issues,
      effect.held, effect.released, lower(withdrawn.validity);
  end if;
  return withdrawn;
end $$;
revoke execute on function withdraw_policy(bigint, text) from public;

comment on function withdraw_policy(bigint, text) is
  'Takes back a policy that is planned and has not begun; the one before it goes on. Returns it. Raises '
  'NTP15, NTP16.';
