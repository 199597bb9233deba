-- Records how deliveries ended, in the outbox, the ledger, reported and the circuit of the target.
--
-- An outcome is {id, attempt, sent, result} or {id, attempt, sent: false, failure, error, permanent,
-- retry_after_ms}, either with unrendered: [{issue_id, error}] for issues left out and doubtful: [{issue_id,
-- text, place, kind, example}] for values that texts lack. tried: false says that
-- the message certainly did not go out, so that the attempt is given back; with no failure it is only
-- released, and due again at once. not_stored: true says that it went out, and that the receiver certainly
-- does not have it. too_large: true says that it is only its size. expired: true comes from
-- expire_notifications(), which is no worker.
--
-- Replays that fail take turns, so that of two the second knows what became of the first.
--
-- The clock is read when we have the rows: what is written here counts from then. Whoever decided while we
-- waited for them did not know it yet, and decide(…, at) has to give the same answer for ever.
create or replace function ccx.settle_notifications(outcomes jsonb, at timestamptz default null)
returns table (sent integer, retried integer, dead integer, circuit text)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  settled settled_notification[];
begin
  if exists (
    select from jsonb_to_recordset(outcomes) as o (id bigint, sent boolean)
    join notification n on n.id = o.id
    where not o.sent and n.replay_of is not null)
  then
    perform lock_replays();
  end if;
  perform from notification n
  where n.id = any (array(select (o ->> 'id')::bigint from jsonb_array_elements(outcomes) o))
  order by n.id
  for update;
  at := coalesce(at, clock_timestamp());

  settled := apply_outcomes(outcomes, at);
  select count(*) filter (where s.state = 'sent'), count(*) filter (where s.state = 'pending'),
    count(*) filter (where s.state = 'dead')
  into sent, retried, dead
  from unnest(settled) s;
  perform split_too_large(settled, at);
  perform record_unrendered(settled, at);
  perform record_doubtful(settled, at);
  perform void_ledger(settled, at);

  select max(settle_circuit(
    e.target_id, e.alive, e.failed, e.limited, e.limited_until, (e.failure).failure, (e.failure).error, at))
  into circuit
  from (
    select s.target_id,
      array_agg(s.id) filter (where s.state = 'sent') as alive,
      array_agg(s.id) filter (where s.state <> 'sent' and not s.says_nothing and case when s.permanent
        then s.failure = 'client' and not s.too_large
        else s.failure in ('server', 'timeout', 'network', 'broker', 'auth') end) as failed,
      array_agg(s.id) filter (where asks.for_time) as limited,
      max(at + coalesce(s.retry_after_ms, 0) * interval '1 millisecond')
        filter (where asks.for_time) as limited_until,
      (array_agg(s order by asks.for_time desc, s.permanent, s.id) filter (where s.state <> 'sent'
        and (not s.permanent or s.failure = 'client')))[1] as failure
    from unnest(settled) s
    cross join lateral (
      select s.state <> 'sent' and not s.says_nothing
        and (s.failure = 'rate_limited' or s.failure = 'server' and s.retry_after_ms > 0) is true as for_time
    ) asks
    group by s.target_id
  ) e;
  perform record_reported(array(select s.id from unnest(settled) s where s.state <> 'pending'));
  perform announce('delivered', jsonb_build_object(
    'target', (select t.name from event_targets t where t.id = settled[1].target_id),
    'sent', sent, 'retried', retried, 'dead', dead));
  -- for the earliest of all that wait: the wake-up replaces the one for another's retry
  perform wake_delivery(t.name, next_delivery_at(t.id))
  from event_targets t
  where t.id in (select s.target_id from unnest(settled) s where s.state = 'pending');
  return next;
end $$;

comment on function ccx.settle_notifications(jsonb, timestamptz) is
  'Records how deliveries ended (an array of outcomes; their form stands in the file) and which issues '
  'could not be rendered. Returns how many are sent, to be retried, and dead, and whether that opened or '
  'closed the circuit.';
