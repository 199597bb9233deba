create or replace view fleet.notified with (security_invoker = true) as
select (select c.name from cell c) as cell,
  t.name as target, i.org_id, i.cluster, r.component, r.error_key, n.occurrence, n.notified_at,
  n.cooldown_period, n.superseded_at, n.resolved, n.live, m.message_id, m.state
from notified_issue n
join notification m on m.id = n.notification_id
join event_targets t on t.id = n.target_id
join issue i on i.id = n.issue_id
join rule r on r.id = i.rule_id;

comment on view fleet.notified is
  'What this cell has notified: the ledger, with names in place of its numbers.';
comment on column fleet.notified.cell is 'name of the cell';
comment on column fleet.notified.target is 'the target';
comment on column fleet.notified.org_id is 'organization that was notified';
comment on column fleet.notified.cluster is 'the cluster';
comment on column fleet.notified.component is 'the rule, as reports spell it';
comment on column fleet.notified.error_key is 'which of the rule''s problems';
comment on column fleet.notified.occurrence is '1 = new, more = gone and back';
comment on column fleet.notified.notified_at is 'when it was decided to notify';
comment on column fleet.notified.cooldown_period is 'while it is not notified again';
comment on column fleet.notified.superseded_at is 'when it was notified again; infinity: not yet';
comment on column fleet.notified.resolved is 'true: that it is gone was notified';
comment on column fleet.notified.live is 'false: it was given up, or is a replay, and counts no more';
comment on column fleet.notified.message_id is 'id of the message, different in all cells';
comment on column fleet.notified.state is 'how the message is: pending, sent, dead and so on';
