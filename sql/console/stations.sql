-- From left to right as a report passes them. Nothing here reads more than what waits and the last hour.
create or replace view ccx.stations with (security_invoker = true) as
select s.station, s.target, s.waiting, s.oldest, s.per_hour, s.state
from (
  select 1 as place, 'results topic' as station, null::text as target,
    (select sum(l.lag) from consumer_lag l) as waiting,
    null::timestamptz as oldest,
    (select count(*) from new_reports n where n.updated_at > now() - interval '2 hours'
      and n.received_at > now() - interval '1 hour') as per_hour,
    case when exists (select from consumer_lag l where l.is_behind) then 'behind' else 'ok' end as state
  union all
  select 2, 'decisions', null, (select count(*) from decision_due d where d.due_at <= now()),
    (select min(d.due_at) from decision_due d where d.due_at <= now()),
    (select count(*) from notification n where n.decided_at > now() - interval '1 hour'),
    case when exists (select from stuck_cluster) then 'some clusters fail' else 'ok' end
  union all
  select 3, 'delivery', t.name,
    (select count(*) from notification n where n.target_id = t.id and n.state = 'pending'),
    (select min(n.decided_at) from notification n where n.target_id = t.id and n.state = 'pending'),
    (select count(*) from notification n where n.target_id = t.id and n.state = 'sent'
      and n.ended_at > now() - interval '1 hour'),
    'circuit ' || (select c.state from delivery_circuit c where c.target = t.name)
  from event_targets t
) s
order by s.place, s.target;

comment on view ccx.stations is
  'The way of a report: what waits where, since when, and how much passed in the last hour.';
comment on column ccx.stations.station is 'results topic, decisions or delivery';
comment on column ccx.stations.target is 'of delivery: to which target';
comment on column ccx.stations.waiting is 'how many messages or clusters wait; null: unknown';
comment on column ccx.stations.oldest is 'since when the oldest waits; null: none does';
comment on column ccx.stations.per_hour is 'how many passed in the last hour';
comment on column ccx.stations.state is 'ok, or what is the matter; of delivery the state of the circuit';
