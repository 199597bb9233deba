-- Which rows of a table belong to the organizations that somebody sees. `mine` stands for "is one of them":
-- organization_condition() writes it out for either role. A table that only names an issue follows the issue,
-- whose own policy says who sees it.
create or replace view ccx.organization_policy with (security_invoker = true) as
select t.name::text, t.condition
from (values
  ('acknowledged_rule', '{org_id} or org_id is null and cluster in (select l.cluster from latest_report l)'),
  ('acknowledgement', '{org_id} or org_id is null and cluster in (select l.cluster from latest_report l)'),
  ('advisor_ratings', '{org_id}'),
  ('analysis', '{org_id}'),
  ('api_token', '{org_id}'),
  ('archive', '{org_id}'),
  ('cluster_registry', '{org_id}'),
  ('cluster_rule_toggle', '{org_id::text} or cluster_id in (select l.cluster from latest_report l)'),
  ('cluster_rule_user_feedback', '{org_id}'),
  ('cluster_user_rule_disable_feedback', '{org_id}'),
  ('decision_due', '{org_id}'),
  ('decision_request', '{org_id}'),
  ('issue', '{org_id}'),
  ('kept_archive', '{org_id}'),
  ('latest_report', '{org_id}'),
  ('new_reports', '{org_id}'),
  ('notification', '{org_id}'),
  ('notified_issue', 'exists (select from issue i where i.id = issue_id)'),
  ('occurrence', 'exists (select from issue i where i.id = issue_id)'),
  ('organization_reader', 'reader = current_user'),
  ('policy', '{org_id} or org_id is null'),
  ('read_errors', '{org_id}'),
  ('rejected_message', '{org_id}'),
  ('render_failure', 'exists (select from issue i where i.id = issue_id)'),
  ('reported', '{org_id}'),
  ('reported_elsewhere', '{org_id}'),
  ('rule_disable', '{org_id::text}'),
  ('silence',
    '{org_id} or org_id is null and (cluster is null or cluster in (select l.cluster from latest_report l))'),
  ('stuck_cluster', '{org_id}'),
  ('upload_message', '{org_id}'),
  -- of the whole fleet: for whoever sees every organization
  ('busy_hour', '{-1}'),
  ('survey', '{-1}'),
  ('survey_part', '{-1}'),
  ('survey_schedule', '{-1}'),
  ('surveyed_day', '{-1}'),
  ('surveyed_decision', '{-1}'),
  ('surveyed_noise', '{-1}'),
  ('withdrawn_policy', '{(policy ->> ''org_id'')::bigint} or policy ->> ''org_id'' is null'),
  ('workload_namespace', '{org_id}'),
  ('workload_report', '{org_id}')
) as t (name, condition);

comment on view ccx.organization_policy is
  'The tables whose rows belong to organizations, and the condition by which a row is among those that '
  'somebody sees.';
comment on column ccx.organization_policy.name is 'the table';
comment on column ccx.organization_policy.condition is
  'the condition; {x} stands for: x is an organization that the role may see';
