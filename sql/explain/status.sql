-- One screen for whoever is on call. Every row is there also when all is well, so that what is missing is
-- seen. Nothing here reads more than what waits.
create or replace view status with (security_invoker = true) as
select s.what, s.target, case when s.needs_attention then 'attention' else 'ok' end as state, s.amount,
  s.oldest, s.detail
from (
  select 1 as position, 'consumer' as what, null::text as target,
    coalesce(max(o.updated_at) < now() - interval '3 hours', true) as needs_attention,
    count(*) as amount, min(o.updated_at) as oldest,
    coalesce('last results stored at ' || max(o.updated_at) || ', '
      || coalesce((select sum(l.lag)::text from consumer_lag l), 'unknown how many') || ' still to come',
      'nothing was ever consumed') as detail
  from consumer_offset o
  union all
  select 2, 'workers', null, count(*) filter (where w.seen_at > now() - interval '90 seconds') = 0,
    count(*) filter (where w.seen_at > now() - interval '90 seconds'),
    min(w.started_at) filter (where w.seen_at > now() - interval '90 seconds'),
    coalesce(string_agg(format('%s (%s)', w.host, array_to_string(w.roles, '+')), ', ' order by w.host)
      filter (where w.seen_at > now() - interval '90 seconds'), 'no worker lives')
  from worker w
  union all
  select 3, 'decisions waiting', null, coalesce(min(d.due_at) < now() - interval '5 minutes', false),
    count(*), min(d.due_at), 'clusters in decision_due'
  from decision_due d
  where d.due_at <= now()
  union all
  select 4, 'changes waiting', null, coalesce(min(r.due_at) < now() - interval '5 minutes', false), count(*),
    min(r.due_at), 'changes in decision_request whose clusters are being looked for'
  from decision_request r
  where r.due_at <= now()
  union all
  select 5, 'messages waiting', t.name,
    coalesce(min(n.decided_at) < now() - interval '15 minutes', false), count(n.id), min(n.decided_at),
    case when count(n.id) > 0 then 'delivery_gap says why each waits' end
  from event_targets t
  left join notification n on n.target_id = t.id and n.state = 'pending'
  group by t.id, t.name
  union all
  select 6, 'messages dead', t.name, count(n.id) > 0, count(n.id), min(n.ended_at),
    case when count(n.id) > 0 then 'ccx delivery redrive tries them again' end
  from event_targets t
  left join notification n on n.target_id = t.id and n.state = 'dead'
    and n.ended_at > now() - redrive_horizon()
  group by t.id, t.name
  union all
  select 7, 'circuit', c.target, c.state <> 'closed', c.failures, c.since,
    concat_ws(': ', c.state, c.last_error) from delivery_circuit c
  union all
  select 8, 'failing jobs', null, count(*) > 0, count(*), min(j.created_at),
    string_agg(j.task_identifier || ': ' || split_part(j.last_error, E'\n', 1), '; ' order by j.id)
  from graphile_worker.jobs j
  where j.last_error is not null
  union all
  select 9, 'rejected messages', null, false, count(*), min(r.received_at), 'of the last 24 hours'
  from rejected_message r
  where r.received_at > now() - interval '24 hours'
  union all
  select 10, 'storms', null, count(*) > 0, count(*), min(w.began_at),
    string_agg(format('%s: %s', t.name, coalesce(w.rule_name, 'every rule')), ', ' order by w.id)
  from storm w
  join event_targets t on t.id = w.target_id
  where w.ended_at is null
) s
order by s.position, s.target;

comment on view status is
  'How the service is: one row for each thing that may be stuck, with how much waits and since when; state '
  'attention: look at it. ccx status prints it.';
comment on column status.what is 'what the row is about';
comment on column status.target is 'the target, where it is about one';
comment on column status.state is 'ok, or attention';
comment on column status.amount is
  'how many: partitions consumed, workers that live, clusters, messages, failures in a row, jobs';
comment on column status.oldest is 'since when: the oldest of what is counted';
comment on column status.detail is 'what to know about it, and where to look';
