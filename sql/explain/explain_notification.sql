create or replace view explain_notification with (security_invoker = true) as
select * from explain_at(now());

comment on view explain_notification is
  'Why is (or is not) somebody notified: one row for each open issue (or gone one that is to be notified as '
  'resolved) and target, with every reason that holds it.';
comment on column explain_notification.target is 'the target';
comment on column explain_notification.org_id is 'organization that owns the cluster';
comment on column explain_notification.cluster is 'the cluster';
comment on column explain_notification.component is 'the rule, as reports spell it';
comment on column explain_notification.error_key is 'which of the rule''s problems';
comment on column explain_notification.decision is 'notify or hold';
comment on column explain_notification.reasons is
  'every reason to hold it; the view hold_reason says what each means';
comment on column explain_notification.total_risk is '1 low to 4 critical; null without content';
comment on column explain_notification.last_notified_at is 'when it was last notified through this target';
comment on column explain_notification.next_eligible_at is
  'when cooldown, spacing, damping and the wait after a failed rendering have ended';
comment on column explain_notification.occurrence is '1 = new, more = gone and back';
comment on column explain_notification.issue_state is
  'new, regressed (gone and back), flapping, or resolved (gone)';
comment on column explain_notification.first_seen is 'time of the first report that had it';
comment on column explain_notification.last_seen is 'time of the newest report that has it';
comment on column explain_notification.issue_id is 'the issue';
comment on column explain_notification.policy_id is 'policy version that decided';
comment on column explain_notification.content_id is 'content version that decided';
comment on column explain_notification.silence_id is 'the silence that holds it';
comment on column explain_notification.acknowledgement_id is 'the acknowledgement that holds it';
comment on column explain_notification.render_error is 'why its texts could not be rendered';
