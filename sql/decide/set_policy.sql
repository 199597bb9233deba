-- A change is an insert: the version in force ends where the new one begins, and the past keeps its answer. The first
-- policy for an organization or a rule begins as a copy of the one that was in force for it until then.
create or replace function set_policy(
  target text,
  change jsonb,
  reason text,
  at timestamptz default now(),
  org_id bigint default null,
  rule text default null
) returns policy
language plpgsql volatile
set search_path = public, pg_temp
as $$
declare
  broken text;
  settings constant text[] := '{enabled,total_risk_threshold,likelihood_threshold,impact_threshold,severity_threshold,required_tags,cooldown,max_events,filter,allowed_clusters,blocked_clusters,spacing}';
  wrong text;
  wanted_target integer := target_id(set_policy.target);
  scope_rule text := rule_name(set_policy.rule);
  present policy;
  is_successor boolean;
  successor policy;
begin
  -- of two changes at once the second waits here, in a statement before the one that is to see what the first made
  perform from event_targets t where t.id = wanted_target for no key update;
  select key into wrong from jsonb_object_keys(change) key where key <> all (settings) limit 1;
  if found then
    raise exception 'a policy has no setting "%"; the settings are: %', wrong, array_to_string(settings, ', ')
      using errcode = 'invalid_parameter_value';
  end if;

  select p.* into present
  from policy p
  where p.target_id = wanted_target
    and upper_inf(p.validity)
    and (p.org_id is null or p.org_id = set_policy.org_id)
    and (p.rule_name is null or p.rule_name = scope_rule)
  order by p.org_id nulls last, p.rule_name nulls last
  limit 1
  for update;
  -- a narrower one may begin together with the wider one that it copies
  is_successor := present.org_id is not distinct from set_policy.org_id and present.rule_name is not distinct from scope_rule;
  if lower(present.validity) > set_policy.at or is_successor and lower(present.validity) = set_policy.at then
    raise exception 'the policy in force began at %, a new one has to begin later', lower(present.validity)
      using errcode = 'invalid_parameter_value';
  end if;
  if is_successor then
    update policy p set validity = tstzrange(lower(p.validity), set_policy.at) where p.id = present.id;
  end if;

  successor := jsonb_populate_record(present, change);
  insert into policy (target_id, org_id, rule_name, enabled, total_risk_threshold, likelihood_threshold,
    impact_threshold, severity_threshold, required_tags, cooldown, max_events, filter, allowed_clusters,
    blocked_clusters, spacing, validity, reason)
  values (wanted_target, set_policy.org_id, scope_rule, successor.enabled, successor.total_risk_threshold,
    successor.likelihood_threshold, successor.impact_threshold, successor.severity_threshold,
    successor.required_tags, successor.cooldown, successor.max_events, successor.filter,
    successor.allowed_clusters, successor.blocked_clusters, successor.spacing,
    tstzrange(set_policy.at, null), set_policy.reason)
  returning * into successor;
  perform renew_cooldowns(wanted_target, set_policy.at);
  perform decide_again(case when scope_rule is not null then array[scope_rule] end, set_policy.at);
  return successor;
exception
  -- what a bound means stands in the comment on its constraint
  when check_violation then
    get stacked diagnostics broken = constraint_name;
    raise exception '%', coalesce(
      (select obj_description(c.oid, 'pg_constraint') from pg_constraint c
       where c.conrelid = 'policy'::regclass and c.conname = broken), sqlerrm)
      using errcode = 'invalid_parameter_value';
  when exclusion_violation then
    raise exception 'there is a policy of its own at that time already, or it ended later than that'
      using errcode = 'invalid_parameter_value';
  when not_null_violation then
    get stacked diagnostics broken = column_name;
    raise exception 'the setting % cannot be empty', broken using errcode = 'invalid_parameter_value';
end $$;

comment on function set_policy(text, jsonb, text, timestamptz, bigint, text) is
  'Changes the policy of a target from this time on, for everybody or only for an organization, a rule (any spelling) or both; for example set_policy(''service log'', ''{"enabled": true}'', ''go-live''). Clusters that report are asked again.';
