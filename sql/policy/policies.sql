create or replace view policies with (security_invoker = true) as
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
  p.id as policy_id,
  p.max_report_age,
  p.doubtful_texts
from policy p
join event_targets t on t.id = p.target_id
where p.validity @> now();

comment on view policies is
  'The policies in force: who is notified of what, for each target and for each organization or rule with a '
  'policy of its own.';
comment on column policies.target is 'the target it is for';
comment on column policies.org_id is 'the organization it is for; null: all of them';
comment on column policies.rule_name is 'the rule it is for; null: all of them';
comment on column policies.enabled is 'false: nothing goes to this target';
comment on column policies.total_risk_threshold is 'least total risk that is notified';
comment on column policies.likelihood_threshold is 'least likelihood that is notified';
comment on column policies.impact_threshold is 'least impact that is notified';
comment on column policies.severity_threshold is 'least severity that is notified';
comment on column policies.required_tags is 'tags that a rule must all have to be notified';
comment on column policies.cooldown is 'how long an issue that was notified is not notified again';
comment on column policies.max_events is 'most issues in one message';
comment on column policies.filter is
  'expression that has to be greater than 0, in place of the thresholds; null: none';
comment on column policies.allowed_clusters is 'the only clusters that are notified of; null: all of them';
comment on column policies.blocked_clusters is 'clusters that are not notified of';
comment on column policies.spacing is 'least time between two messages about one cluster';
comment on column policies.flapping_occurrences is
  'so many occurrences within flapping_window make an issue flapping';
comment on column policies.flapping_window is 'see flapping_occurrences';
comment on column policies.flapping_action is
  'notify: flapping issues are notified like others; damp: they are held';
comment on column policies.notify_resolved is
  'true: an issue that was notified and went is notified as resolved';
comment on column policies.since is 'from when it is in force';
comment on column policies.policy_id is 'number of the version, as in explain_notification';
comment on column policies.max_report_age is
  'while the newest report of a cluster is older, nothing of it is notified; null: however old it is';
comment on column policies.doubtful_texts is
  'send: a text that lacks a value goes out; hold: its issue is held';
