create or replace view delivery_circuit with (security_invoker = true) as
select
  t.name as target,
  case
    when c.opened_at is null then 'closed'
    when c.retry_at > now() then 'open'
    else 'half-open'
  end as state,
  c.opened_at as since,
  c.retry_at as probe_at,
  c.probe_until,
  coalesce(c.failed_probes, 0) as failed_probes,
  coalesce(c.failures, 0) as failures,
  c.last_failure,
  c.last_error,
  c.last_failed_at,
  (select count(*) from notification n where n.target_id = t.id and n.state = 'pending') as waiting
from event_targets t
left join circuit c on c.target_id = t.id;

comment on view delivery_circuit is
  'Whether each target is sent to (closed), waits since its receiver is down or asked for time (open), or '
  'is being tried with a few messages (half-open).';
comment on column delivery_circuit.target is 'the target';
comment on column delivery_circuit.state is 'closed, open or half-open';
comment on column delivery_circuit.since is 'since when it is open; null: it is closed';
comment on column delivery_circuit.probe_at is 'when the next few messages may be tried';
comment on column delivery_circuit.probe_until is 'a worker is trying them; the end of its lease';
comment on column delivery_circuit.failed_probes is 'how many such tries failed since it opened';
comment on column delivery_circuit.failures is
  'failures in a row that said that the receiver is down or asks for time';
comment on column delivery_circuit.last_failure is
  'kind of the last such failure; stays when the circuit closes';
comment on column delivery_circuit.last_error is 'what went wrong then';
comment on column delivery_circuit.last_failed_at is 'when that was';
comment on column delivery_circuit.waiting is 'messages that are not sent yet';
