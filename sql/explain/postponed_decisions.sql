create or replace view postponed_decisions with (security_invoker = true) as
select
  d.org_id,
  d.cluster,
  d.backlog_of as waits_for,
  d.due_at as until
from decision_due d
where d.backlog_of is not null;

comment on view postponed_decisions is
  'Clusters that are not decided on yet, since more messages of the partition of their report were known to '
  'follow and may say otherwise.';
comment on column postponed_decisions.org_id is 'organization that owns the cluster';
comment on column postponed_decisions.cluster is 'the cluster';
comment on column postponed_decisions.waits_for is
  'topic/partition that is being caught up with (consumer_lag)';
comment on column postponed_decisions.until is 'when the decision is taken at the latest';
