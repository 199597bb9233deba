-- For a transaction that is rolled back: change a policy, add a silence, load content, and see what it would
-- do. Everything people set is versioned, so "before" is the same decision by what stood a moment before the
-- transaction began.
create or replace view explain_diff with (security_invoker = true) as
select
  target,
  org_id,
  cluster,
  coalesce(present.component, past.component) as component,
  coalesce(present.error_key, past.error_key) as error_key,
  past.decision as decision_before,
  present.decision,
  past.reasons as reasons_before,
  present.reasons,
  past.next_eligible_at as next_eligible_at_before,
  present.next_eligible_at,
  past.policy_id as policy_id_before,
  present.policy_id,
  issue_id
from explain_at(now(), settings_at => now() - interval '1 microsecond') past
full join explain_at(now()) present using (target, org_id, cluster, issue_id)
where (past.decision, past.reasons, past.next_eligible_at)
  is distinct from (present.decision, present.reasons, present.next_eligible_at);

comment on view explain_diff is
  'What the open transaction would change: decisions that differ from those by the policies, content, '
  'silences and acknowledgements that stood before it. Empty unless this transaction changed something; '
  'roll back to only try.';
comment on column explain_diff.target is 'the target';
comment on column explain_diff.org_id is 'organization that owns the cluster';
comment on column explain_diff.cluster is 'the cluster';
comment on column explain_diff.component is 'the rule, as reports spell it';
comment on column explain_diff.error_key is 'which of the rule''s problems';
comment on column explain_diff.decision_before is
  'notify or hold, before; null: there was no decision to take';
comment on column explain_diff.decision is
  'notify or hold, with the change; null: no decision to take any more';
comment on column explain_diff.reasons_before is 'every reason that held it';
comment on column explain_diff.reasons is 'every reason that would hold it';
comment on column explain_diff.next_eligible_at_before is
  'when cooldown, spacing and damping would have ended';
comment on column explain_diff.next_eligible_at is 'when they would end with the change';
comment on column explain_diff.policy_id_before is 'policy version that decided';
comment on column explain_diff.policy_id is 'policy version that would decide';
comment on column explain_diff.issue_id is 'the issue';
