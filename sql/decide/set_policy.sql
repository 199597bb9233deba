-- A change is an insert: the version in force ends where the new one begins, and the past keeps its answer.
create or replace function set_policy(target text, change jsonb, reason text, at timestamptz default now())
returns policy
language plpgsql volatile
set search_path = public, pg_temp
as $$
declare
  settings constant text[] := '{enabled,total_risk_threshold,required_tags,cooldown,max_events}';
  wrong text;
  present policy;
  successor policy;
begin
  -- of two changes at once the second waits here, in a statement before the one that is to see what the first made
  perform from event_targets t where t.name = set_policy.target for no key update;
  select p.* into present
  from policy p
  join event_targets t on t.id = p.target_id
  where t.name = set_policy.target and upper_inf(p.validity)
  for update of p;
  if not found then
    raise exception 'there is no target "%"; the targets are: %', set_policy.target,
      (select string_agg(name, ', ' order by id) from event_targets)
      using errcode = 'invalid_parameter_value';
  end if;
  select key into wrong from jsonb_object_keys(change) key where key <> all (settings) limit 1;
  if found then
    raise exception 'a policy has no setting "%"; the settings are: %', wrong, array_to_string(settings, ', ')
      using errcode = 'invalid_parameter_value';
  end if;
  if lower(present.validity) >= set_policy.at then
    raise exception 'the policy in force began at %, a new one has to begin later', lower(present.validity)
      using errcode = 'invalid_parameter_value';
  end if;

  update policy p set validity = tstzrange(lower(p.validity), set_policy.at) where p.id = present.id;
  successor := jsonb_populate_record(present, change);
  insert into policy (target_id, enabled, total_risk_threshold, required_tags, cooldown, max_events, validity, reason)
  values (present.target_id, successor.enabled, successor.total_risk_threshold, successor.required_tags, successor.cooldown,
    successor.max_events, tstzrange(set_policy.at, null), set_policy.reason)
  returning * into successor;
  perform renew_cooldowns(successor.target_id, set_policy.at);
  perform decide_again(at := set_policy.at);
  return successor;
end $$;

comment on function set_policy(text, jsonb, text, timestamptz) is
  'Changes the policy of a target from this time on, for example set_policy(''service log'', ''{"enabled": true}'', ''go-live''); clusters that report are asked again.';
