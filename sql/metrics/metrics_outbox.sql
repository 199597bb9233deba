create or replace view metrics_outbox with (security_invoker = true) as
select
  t.name as target,
  p.waiting::double precision as waiting_messages,
  p.leased::double precision as leased_messages,
  greatest(coalesce(extract(epoch from now() - p.oldest), 0), 0)::double precision as oldest_waiting_seconds,
  (
    select count(*)
    from notification n
    where n.target_id = t.id and n.state = 'dead' and n.ended_at > now() - redrive_horizon()
  )::double precision as dead_messages
from event_targets t
cross join lateral (
  select count(*) as waiting, count(*) filter (where n.leased_until > now()) as leased,
    min(n.decided_at) as oldest
  from notification n
  where n.target_id = t.id and n.state = 'pending'
) p;

comment on view metrics_outbox is
  'The outbox of each target: what waits to be delivered, and what was given up.';
comment on column metrics_outbox.target is 'where it goes';
comment on column metrics_outbox.waiting_messages is
  'messages that are decided and neither sent nor given up';
comment on column metrics_outbox.leased_messages is 'those of them that a worker is sending';
comment on column metrics_outbox.oldest_waiting_seconds is
  'time since the decision of the one that waits longest; 0 when none does';
comment on column metrics_outbox.dead_messages is 'messages given up that may still be redriven';
