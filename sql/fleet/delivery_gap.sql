create or replace view fleet.delivery_gap with (security_invoker = true) as
select (select c.name from cell c) as cell,
  v.target, v.notification_id, v.message_id, v.org_id, v.cluster, v.issues, v.decided_at, v.age,
  v.attempts, v.next_attempt_at, v.given_up_at, v.failure, v.last_error, v.leased_until,
  v.held_until, v.replay_of, v.state
from delivery_gap v;

comment on view fleet.delivery_gap is
  'What this cell has decided and not delivered: the view delivery_gap.';
comment on column fleet.delivery_gap.cell is 'name of the cell';
comment on column fleet.delivery_gap.target is 'where it goes';
comment on column fleet.delivery_gap.notification_id is 'number of the message';
comment on column fleet.delivery_gap.message_id is 'id the receiver sees';
comment on column fleet.delivery_gap.org_id is 'organization that is to be notified';
comment on column fleet.delivery_gap.cluster is 'cluster it is about';
comment on column fleet.delivery_gap.issues is 'how many issues it names';
comment on column fleet.delivery_gap.decided_at is 'when it was decided';
comment on column fleet.delivery_gap.age is 'how long ago that is';
comment on column fleet.delivery_gap.attempts is 'how many times it was handed to a worker';
comment on column fleet.delivery_gap.next_attempt_at is
  'when it may be tried (again), or the lease of the worker that has it ends';
comment on column fleet.delivery_gap.given_up_at is
  'when it is given up if nothing gets through until then; null: not tried yet';
comment on column fleet.delivery_gap.failure is 'what kind of failure the last one was';
comment on column fleet.delivery_gap.last_error is 'what went wrong the last time';
comment on column fleet.delivery_gap.leased_until is 'a worker has it until then; null: nobody has it';
comment on column fleet.delivery_gap.held_until is
  'not claimed before, since the circuit of its target is open (delivery_circuit); null: closed';
comment on column fleet.delivery_gap.replay_of is 'the message that it repeats; null: none';
comment on column fleet.delivery_gap.state is
  'pending, or withdrawn (last_error says why): nothing of it was left to notify';
