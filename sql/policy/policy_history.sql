create or replace view policy_history with (security_invoker = true) as
select
  t.name as target,
  p.org_id,
  p.rule_name,
  p.enabled,
  p.total_risk_threshold,
  p.likelihood_threshold,
  p.impact_threshold,
  p.severity_threshold,
  p.required_tags,
  p.cooldown,
  p.max_events,
  p.filter,
  p.allowed_clusters,
  p.blocked_clusters,
  p.spacing,
  p.flapping_occurrences,
  p.flapping_window,
  p.flapping_action,
  p.notify_resolved,
  lower(p.validity) as since,
  upper(p.validity) as until,
  p.changed_by,
  p.reason,
  p.ended_by,
  p.end_reason,
  p.id as policy_id,
  p.max_report_age,
  p.doubtful_texts
from policy p
join event_targets t on t.id = p.target_id;

comment on view policy_history is
  'Every version of every policy, past, present and planned, with who made it and why.';
comment on column policy_history.target is 'the target it is for';
comment on column policy_history.org_id is 'the organization it is for; null: all of them';
comment on column policy_history.rule_name is 'the rule it is for; null: all of them';
comment on column policy_history.enabled is 'false: nothing goes to this target';
comment on column policy_history.total_risk_threshold is 'least total risk that is notified';
comment on column policy_history.likelihood_threshold is 'least likelihood that is notified';
comment on column policy_history.impact_threshold is 'least impact that is notified';
comment on column policy_history.severity_threshold is 'least severity that is notified';
comment on column policy_history.required_tags is 'tags that a rule must all have to be notified';
comment on column policy_history.cooldown is 'how long an issue that was notified is not notified again';
comment on column policy_history.max_events is 'most issues in one message';
comment on column policy_history.filter is
  'expression that has to be greater than 0, in place of the thresholds; null: none';
comment on column policy_history.allowed_clusters is
  'the only clusters that are notified of; null: all of them';
comment on column policy_history.blocked_clusters is 'clusters that are not notified of';
comment on column policy_history.spacing is 'least time between two messages about one cluster';
comment on column policy_history.flapping_occurrences is
  'so many occurrences within flapping_window make an issue flapping';
comment on column policy_history.flapping_window is 'see flapping_occurrences';
comment on column policy_history.flapping_action is
  'notify: flapping issues are notified like others; damp: they are held';
comment on column policy_history.notify_resolved is
  'true: an issue that was notified and went is notified as resolved';
comment on column policy_history.since is 'from when it is in force';
comment on column policy_history.until is 'until when it is in force; null: no end yet';
comment on column policy_history.changed_by is 'database user who made the change';
comment on column policy_history.reason is 'why it was made';
comment on column policy_history.ended_by is 'database user who ended it without a successor';
comment on column policy_history.end_reason is 'why it was ended';
comment on column policy_history.policy_id is 'number of the version, as in explain_notification';
comment on column policy_history.max_report_age is
  'while the newest report of a cluster is older, nothing of it is notified; null: however old it is';
comment on column policy_history.doubtful_texts is
  'send: a text that lacks a value goes out; hold: its issue is held';
