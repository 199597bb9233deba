-- The part of a decision that depends on nothing but the policy and what the rule says. One expression, so
-- that it is inlined.
create or replace function ccx.policy_reasons(
  policy policy, content rule_content, target_enabled boolean, filter_passes boolean
) returns text[]
language sql immutable parallel safe
return array_remove(array[
  case when not target_enabled then 'target_disabled' end,
  case when target_enabled and not policy.enabled then 'policy_disabled' end,
  case when content.id is null then 'no_content' end,
  case when content.status = 'inactive' then 'inactive' end,
  case when policy.filter is null and (
      content.total_risk < policy.total_risk_threshold or content.likelihood < policy.likelihood_threshold
      or content.impact < policy.impact_threshold or 0 < policy.severity_threshold)
    then 'below_threshold' end,
  case when policy.filter is not null and content.id is not null
      and coalesce(filter_passes, filter_lets_through(policy, content)) is not true
    then 'filtered' end,
  case when not content.tags @> policy.required_tags then 'missing_tag' end
], null);

comment on function ccx.policy_reasons(policy, rule_content, boolean, boolean) is
  'The reasons for which this policy holds every issue of a rule with this content, whatever the cluster. '
  'target_enabled: of the target-wide policy; filter_passes: what the filter said of the content, null: it '
  'has not been asked yet.';
