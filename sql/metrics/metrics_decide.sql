create or replace view metrics_decide with (security_invoker = true) as
select
  count(*)::double precision as clusters_waiting,
  greatest(coalesce(extract(epoch from now() - min(d.due_at)), 0), 0)::double precision
    as oldest_waiting_seconds,
  (select count(*) from decision_request r where r.due_at <= now())::double precision as changes_waiting
from decision_due d
where d.due_at <= now();

comment on view metrics_decide is 'What waits for a decision.';
comment on column metrics_decide.clusters_waiting is 'clusters that wait for a decision';
comment on column metrics_decide.oldest_waiting_seconds is
  'how long the cluster waits that waits longest; 0 when none does';
comment on column metrics_decide.changes_waiting is
  'changes of policy, content or silences whose clusters are still to be asked';
