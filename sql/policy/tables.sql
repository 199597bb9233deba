-- What the tables of this room and their columns hold; the tables themselves are in migrations/.

comment on table event_targets is 'specification of all event targets currently supported';
comment on column event_targets.id is 'number used in reported.event_type_id and as target_id elsewhere';
comment on column event_targets.name is 'name of the target';
comment on column event_targets.metainfo is 'what the target is';
comment on column event_targets.task is 'the task that delivers to it';

comment on table policy is
  'who is notified of what, per target; a change is a new version (set_policy), the old one keeps its time';
comment on column policy.id is 'number of this version';
comment on column policy.target_id is 'the target it is for';
comment on column policy.org_id is 'the organization it is for; null: all of them';
comment on column policy.rule_name is
  'the rule it is for; null: all of them. The narrowest policy wins: organization and rule, organization, '
  'rule, target';
comment on column policy.enabled is 'false: nothing goes to this target';
comment on column policy.total_risk_threshold is 'least total risk that is notified, 0 to 4';
comment on column policy.likelihood_threshold is 'least likelihood that is notified, 0 to 4';
comment on column policy.impact_threshold is 'least impact that is notified, 0 to 4';
comment on column policy.severity_threshold is
  'least severity that is notified; the severity of every rule is 0 today';
comment on column policy.filter is
  'expression in place of the thresholds, which are its variables: issues are notified where it is '
  'greater than 0 (docs/reference/policy-settings.md#filters)';
comment on column policy.compiled_filter is 'the filter as compile_filter() reads it';
comment on column policy.required_tags is 'tags that a rule must all have to be notified';
comment on column policy.allowed_clusters is 'the only clusters that are notified of; null: all of them';
comment on column policy.blocked_clusters is 'clusters that are not notified of';
comment on column policy.cooldown is
  'how long an issue that was notified is not notified again; 0 notifies with every report';
comment on column policy.spacing is 'least time between two messages about one cluster';
comment on column policy.max_events is 'most issues in one message; the rest goes into further messages';
comment on column policy.flapping_occurrences is
  'so many occurrences within flapping_window make an issue flapping';
comment on column policy.flapping_window is 'the time in which flapping_occurrences are counted';
comment on column policy.flapping_action is
  'notify: flapping issues are notified like others; damp: they are held while they flap';
comment on column policy.max_report_age is
  'while the newest report of a cluster is older, nothing of it is notified; 24 hours unless set; null: '
  'however old it is';
comment on column policy.storm_share is
  'the brake: this share of the clusters may be notified of one rule within an hour, twice as many of all '
  'rules; null: no brake (docs/guides/storms.md)';
comment on column policy.storm_minimum is
  'so many clusters may be notified of one rule within an hour, however few report; that of the target '
  'counts';
comment on column policy.storm_from is
  'the brake holds nothing before, for the first days of an installation; null: it always works';
comment on column policy.doubtful_texts is
  'send: a text that lacks a value goes out; hold: its issue is held as render_failed (view doubtful_texts)';
comment on column policy.notify_resolved is
  'true: an issue that was notified and went is notified as resolved, from the change on';
comment on column policy.decide_again_after is
  'a message that waited longer, and is certainly not out, is decided again before it is sent; that of '
  'the target counts';
comment on column policy.notify_resolved_since is
  'since when notify_resolved is set; what went before is not notified';
comment on column policy.receiver_knows_resolved is
  'true: the event type resolved-recommendation is registered at the notifications backend, which drops '
  'messages of any other';
comment on column policy.validity is 'when this version was the one in force; open-ended for the present one';
comment on column policy.changed_by is 'database user who made the change';
comment on column policy.reason is 'why it was made';
comment on column policy.ended_by is 'database user who ended it without a successor';
comment on column policy.end_reason is 'why it was ended';
comment on constraint policy_total_risk_threshold_check on policy is
  'total_risk_threshold has to be between 0 and 4';
comment on constraint policy_required_tags_check on policy is 'required_tags cannot have an empty element';
comment on constraint policy_cooldown_check on policy is 'a cooldown has to be between 0 and 100 years';
comment on constraint policy_max_events_check on policy is 'max_events has to be between 1 and 1000';
comment on constraint policy_validity_check on policy is 'a policy is in force for some time';
comment on constraint policy_reason_check on policy is 'a change needs a reason that a colleague understands';
comment on constraint policy_org_id_check on policy is 'an organization has a number from 1 on';
comment on constraint policy_rule_name_check on policy is 'a policy for a rule needs the name of a rule';
comment on constraint policy_likelihood_threshold_check on policy is
  'likelihood_threshold has to be between 0 and 4';
comment on constraint policy_impact_threshold_check on policy is 'impact_threshold has to be between 0 and 4';
comment on constraint policy_severity_threshold_check on policy is
  'severity_threshold has to be between 0 and 4';
comment on constraint policy_allowed_clusters_check on policy is
  'allowed_clusters cannot have an empty element';
comment on constraint policy_blocked_clusters_check on policy is
  'blocked_clusters cannot have an empty element';
comment on constraint policy_spacing_check on policy is 'spacing has to be between 0 and 100 years';
comment on constraint policy_end_reason_check on policy is
  'the end of a policy needs a reason that a colleague understands';
comment on constraint policy_flapping_occurrences_check on policy is
  'flapping_occurrences is a number from 2 to 1000';
comment on constraint policy_flapping_window_check on policy is
  'flapping_window is an interval from 1 second to 100 years';
comment on constraint policy_flapping_action_check on policy is 'flapping_action is notify or damp';
comment on constraint policy_doubtful_texts_check on policy is 'doubtful_texts is send or hold';
comment on constraint policy_decide_again_after_check on policy is
  'decide_again_after has to be between 0 and 100 years';
comment on constraint policy_max_report_age_check on policy is
  'max_report_age is an interval from 1 minute to 100 years, or null';
comment on constraint policy_storm_share_check on policy is
  'storm_share is more than 0 and at most 1, or null';
comment on constraint policy_storm_minimum_check on policy is
  'storm_minimum has to be between 1 and 1000000000';
comment on constraint policy_notify_resolved_check on policy is
  'notify_resolved and notify_resolved_since go together';
comment on constraint policy_receiver_knows_resolved_check on policy is
  'the notifications backend drops messages about resolved issues until the event type '
  'resolved-recommendation is registered there; set receiver_knows_resolved once it is';

comment on table filter_result is
  'what the filter of a policy says about a version of rule content; worked out once, when either is '
  'written';
comment on column filter_result.policy_id is 'the policy';
comment on column filter_result.content_id is 'the content';
comment on column filter_result.passes is 'the filter lets it through';
comment on column filter_result.error is
  'why the filter could not be evaluated (then it does not let it through)';

comment on table withdrawn_policy is 'policies that were planned and taken back before they began';
comment on column withdrawn_policy.id is 'number of the withdrawal';
comment on column withdrawn_policy.policy is 'the version of policy as it was planned';
comment on column withdrawn_policy.planned_by is 'database user who planned it';
comment on column withdrawn_policy.withdrawn_at is 'when it was taken back';
comment on column withdrawn_policy.withdrawn_by is 'database user who took it back';
comment on column withdrawn_policy.reason is 'why; null where the row was deleted by hand';
