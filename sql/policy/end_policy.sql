create or replace function end_policy(
  target text,
  reason text,
  at timestamptz default now(),
  org_id bigint default null,
  rule text default null
) returns policy
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  wanted_target integer := target_id(end_policy.target);
  scope_rule text := rule_name(btrim(end_policy.rule, e' \t\r\n'));
  ended policy;
  effect record;
begin
  if end_policy.rule like '%|%' then
    raise exception 'a policy is for a whole rule, not for one of its error keys' using errcode = 'NTP01';
  end if;
  if isfinite(end_policy.at) is not true then
    raise exception 'a policy ends at a time, not at %', coalesce(end_policy.at::text, 'null')
      using errcode = 'NTP13';
  end if;
  if num_nonnulls(org_id, scope_rule) = 0 then
    raise exception 'the policy of a target cannot end, only change (set_policy); name an organization or a '
      'rule'
      using errcode = 'NTP02';
  end if;
  if length(btrim(coalesce(end_policy.reason, ''))) < 5 then
    raise exception 'the end of a policy needs a reason that a colleague understands' using errcode = 'NTP03';
  end if;
  perform lock_policies(wanted_target);
  update policy p
  set validity = tstzrange(lower(p.validity), end_policy.at), ended_by = ccx.person(),
    end_reason = end_policy.reason
  where p.target_id = wanted_target
    and p.validity @> end_policy.at
    and lower(p.validity) < end_policy.at
    and p.org_id is not distinct from end_policy.org_id
    and p.rule_name is not distinct from scope_rule
  returning * into ended;
  if not found then
    perform notice_unknown_names(end_policy.org_id, null, scope_rule, null, null);
    raise exception 'there is no policy of its own for that organization or rule'
      using errcode = 'NTP04';
  end if;
  perform request_decisions('policy ended',
    case when scope_rule is not null then array[scope_rule] end, ended.org_id, at => end_policy.at);
  select * into effect from policy_end_effect(ended.id);
  if effect.held + effect.released > 0 then
    raise notice 'of % open issues this holds % and releases %', effect.open_issues, effect.held,
      effect.released;
  end if;
  return ended;
end $$;

comment on function end_policy(text, text, timestamptz, bigint, text) is
  'Ends the policy that an organization or a rule has of its own; the wider one counts again.';
