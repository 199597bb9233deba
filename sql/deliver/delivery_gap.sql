create or replace view delivery_gap with (security_invoker = true) as
select
  t.name as target,
  n.id as notification_id,
  n.message_id,
  n.org_id,
  n.cluster,
  (select count(*) from notified_issue i where i.notification_id = n.id and not i.left_out) as issues,
  n.decided_at,
  now() - n.decided_at as age,
  n.attempts,
  n.next_attempt_at,
  retry_until(n) as given_up_at,
  n.failure,
  n.last_error,
  n.leased_until,
  greatest(c.retry_at, c.probe_until) as held_until,
  n.replay_of,
  n.state
from notification n
join event_targets t on t.id = n.target_id
left join circuit c on c.target_id = n.target_id
where n.state = 'pending'
  or n.state = 'withdrawn' and n.ended_at > now() - interval '1 day';

comment on view delivery_gap is
  'What was decided and is not out: messages neither sent nor given up, with their age and what went wrong '
  'last, and those that were withdrawn in the last day.';
comment on column delivery_gap.target is 'where it goes';
comment on column delivery_gap.notification_id is 'number of the message';
comment on column delivery_gap.message_id is 'id the receiver sees';
comment on column delivery_gap.org_id is 'organization that is to be notified';
comment on column delivery_gap.cluster is 'cluster it is about';
comment on column delivery_gap.issues is 'how many issues it names';
comment on column delivery_gap.decided_at is 'when it was decided';
comment on column delivery_gap.age is 'how long ago that is';
comment on column delivery_gap.attempts is 'how many times it was handed to a worker';
comment on column delivery_gap.next_attempt_at is
  'when it may be tried (again), or the lease of the worker that has it ends';
comment on column delivery_gap.given_up_at is
  'when it is given up if nothing gets through until then; null: not tried yet';
comment on column delivery_gap.failure is 'what kind of failure the last one was';
comment on column delivery_gap.last_error is 'what went wrong the last time';
comment on column delivery_gap.leased_until is 'a worker has it until then; null: nobody has it';
comment on column delivery_gap.held_until is
  'not claimed before, since the circuit of its target is open (delivery_circuit); null: closed';
comment on column delivery_gap.replay_of is 'the message that it repeats; null: none';
comment on column delivery_gap.state is
  'pending, or withdrawn (last_error says why): nothing of it was left to notify';
