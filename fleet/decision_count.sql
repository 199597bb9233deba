-- Grouped by cell inside, so that each cell counts its own and sends the counts.
create or replace view fleet.decision_count with (security_invoker = true) as
select c.target, c.decision, c.reasons, sum(c.decisions)::bigint as decisions
from (
  select e.cell, e.target, e.decision, e.reasons, count(*) as decisions
  from fleet.explain_notification e
  group by e.cell, e.target, e.decision, e.reasons
) c
group by c.target, c.decision, c.reasons;

comment on view fleet.decision_count is 'Decisions of all cells, counted by target, decision and reasons.';
comment on column fleet.decision_count.target is 'the target';
comment on column fleet.decision_count.decision is 'notify or hold';
comment on column fleet.decision_count.reasons is 'every reason to hold them';
comment on column fleet.decision_count.decisions is 'how many';
