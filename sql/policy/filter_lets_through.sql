-- The one place where a filter meets content. A division by zero does not stop anything else: the filter just
-- does not let this content through, and filter_result says why.
create or replace function ccx.filter_lets_through(policy policy, content rule_content) returns boolean
language sql immutable parallel safe
return evaluate_filter(
  policy.compiled_filter, content.likelihood, content.impact, 0, content.total_risk,
  policy.likelihood_threshold, policy.impact_threshold, policy.severity_threshold,
    policy.total_risk_threshold) > 0;

comment on function ccx.filter_lets_through(policy, rule_content) is
  'Does the filter of this policy let this content through; null: it divides by zero, which counts as no.';
