create or replace view new_issues with (security_invoker = true) as
select target, org_id, cluster, component, error_key, total_risk, occurrence, issue_state, first_seen,
  last_seen, last_notified_at,
  issue_id
from new_issues_at(now());

comment on view new_issues is
  'What would be notified if the decision were made now: the open issues that nothing holds back, per '
  'target.';
comment on column new_issues.target is 'the target';
comment on column new_issues.org_id is 'organization that owns the cluster';
comment on column new_issues.cluster is 'the cluster';
comment on column new_issues.component is 'the rule, as reports spell it';
comment on column new_issues.error_key is 'which of the rule''s problems';
comment on column new_issues.total_risk is '1 low to 4 critical';
comment on column new_issues.occurrence is '1 = new, more = gone and back';
comment on column new_issues.issue_state is 'new, regressed (gone and back), flapping, or resolved (gone)';
comment on column new_issues.first_seen is 'time of the first report that had it';
comment on column new_issues.last_seen is 'time of the newest report that has it';
comment on column new_issues.last_notified_at is 'when it was last notified through this target';
comment on column new_issues.issue_id is 'the issue';
