-- The one place where a filter meets content. An error (a division by zero) does not stop anything else: the filter just
-- does not let this content through, and filter_result says why.
create or replace function filter_passes(policy policy, content rule_content, out passes boolean, out error text)
language plpgsql immutable
set search_path = public, pg_temp
as $$
begin
  passes := evaluate_filter(
    policy.compiled_filter, content.likelihood, content.impact, 0, content.total_risk,
    policy.likelihood_threshold, policy.impact_threshold, policy.severity_threshold, policy.total_risk_threshold) > 0;
exception when division_by_zero then
  passes := false;
  error := sqlerrm;
end $$;

comment on function filter_passes(policy, rule_content) is
  'Does the filter of this policy let this content through; error says why it could not be evaluated.';
