-- The cell stands beside each row, so that a fleet can add up what each cell has counted for itself.
create or replace view fleet.explain_notification with (security_invoker = true) as
select (select c.name from cell c) as cell,
  v.target, v.org_id, v.cluster, v.component, v.error_key, v.decision, v.reasons, v.total_risk,
  v.last_notified_at, v.next_eligible_at, v.occurrence, v.issue_state, v.first_seen, v.last_seen,
  v.issue_id, v.policy_id, v.content_id, v.silence_id, v.acknowledgement_id, v.render_error
from explain_notification v;

comment on view fleet.explain_notification is
  'Why is (or is not) somebody notified, in this cell: the view explain_notification.';
comment on column fleet.explain_notification.cell is 'name of the cell';
comment on column fleet.explain_notification.target is 'the target';
comment on column fleet.explain_notification.org_id is 'organization that owns the cluster';
comment on column fleet.explain_notification.cluster is 'the cluster';
comment on column fleet.explain_notification.component is 'the rule, as reports spell it';
comment on column fleet.explain_notification.error_key is 'which of the rule''s problems';
comment on column fleet.explain_notification.decision is 'notify or hold';
comment on column fleet.explain_notification.reasons is 'every reason to hold it';
comment on column fleet.explain_notification.total_risk is '1 low to 4 critical; null without content';
comment on column fleet.explain_notification.last_notified_at is
  'when it was last notified through this target';
comment on column fleet.explain_notification.next_eligible_at is
  'when cooldown, spacing, damping and the wait after a failed rendering have ended';
comment on column fleet.explain_notification.occurrence is '1 = new, more = gone and back';
comment on column fleet.explain_notification.issue_state is
  'new, regressed (gone and back), flapping, or resolved (gone)';
comment on column fleet.explain_notification.first_seen is 'time of the first report that had it';
comment on column fleet.explain_notification.last_seen is 'time of the newest report that has it';
comment on column fleet.explain_notification.issue_id is 'the issue';
comment on column fleet.explain_notification.policy_id is 'policy version that decided';
comment on column fleet.explain_notification.content_id is 'content version that decided';
comment on column fleet.explain_notification.silence_id is 'the silence that holds it';
comment on column fleet.explain_notification.acknowledgement_id is 'the acknowledgement that holds it';
comment on column fleet.explain_notification.render_error is 'why its texts could not be rendered';
