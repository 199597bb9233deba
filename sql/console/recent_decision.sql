-- Of a fleet of a million clusters nobody reads every row, and to sort them takes a minute. Whoever looks for
-- something narrows by organization, cluster or rule, and is shown all of that.
create or replace view ccx.recent_decision with (security_invoker = true) as
select t.name as target, d.org_id, d.cluster, d.component, d.error_key, d.decision, d.reasons, d.total_risk,
  d.last_notified_at, d.next_eligible_at, d.issue_state, d.first_seen, d.last_seen, d.issue_id
from decide(null, now(), array(
  select l.cluster
  from latest_report l
  where l.left_at is null
  order by l.received_at desc
  limit 1000)) d
left join event_targets t on t.id = d.target_id;

comment on view ccx.recent_decision is
  'explain_notification of the thousand clusters that reported last: what the console lists of a large fleet '
  'until it is narrowed.';
comment on column ccx.recent_decision.target is 'the target';
comment on column ccx.recent_decision.org_id is 'organization that owns the cluster';
comment on column ccx.recent_decision.cluster is 'the cluster';
comment on column ccx.recent_decision.component is 'the rule, as reports spell it';
comment on column ccx.recent_decision.error_key is 'which of the rule''s problems';
comment on column ccx.recent_decision.decision is 'notify or hold';
comment on column ccx.recent_decision.reasons is 'every reason to hold it';
comment on column ccx.recent_decision.total_risk is '1 low to 4 critical; null without content';
comment on column ccx.recent_decision.last_notified_at is 'when it was last notified through this target';
comment on column ccx.recent_decision.next_eligible_at is
  'when cooldown, spacing, damping and the wait after a failed rendering have ended';
comment on column ccx.recent_decision.issue_state is
  'new, regressed (gone and back), flapping, or resolved (gone)';
comment on column ccx.recent_decision.first_seen is 'time of the first report that had it';
comment on column ccx.recent_decision.last_seen is 'time of the newest report that has it';
comment on column ccx.recent_decision.issue_id is 'the issue';
