-- Records how deliveries ended. A success counts whoever reports it (the message is out); a failure only from the
-- worker that still holds the message. What cannot succeed any more is dead: then its issues do not count as told.
create or replace function settle_notifications(outcomes jsonb, at timestamptz default now())
returns table (sent integer, retried integer, dead integer)
language plpgsql volatile
set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
  ended bigint[];
  waiting bigint[];
begin
  with outcome as (
    select *
    from jsonb_to_recordset(outcomes) as o (
      id bigint, attempt integer, sent boolean, result jsonb,
      failure text, error text, permanent boolean, retry_after_ms bigint)
  ), settled as (
    select n.id, o.result, o.failure, left(o.error, 1000) as error, retry.next_attempt_at,
      case
        when o.sent then 'sent'
        when o.permanent or retry.next_attempt_at > n.decided_at + retry_horizon() then 'dead'
        else 'pending'
      end as state
    from notification n
    join outcome o on o.id = n.id
    cross join lateral (
      select at + greatest(retry_delay(n.attempts), coalesce(o.retry_after_ms, 0) * interval '1 millisecond')
        as next_attempt_at
    ) retry
    where (o.sent and n.state <> 'sent') or (n.state = 'pending' and n.attempts = o.attempt)
    order by n.id
    for update of n
  ), updated as (
    update notification n
    set state = s.state,
        ended_at = case when s.state <> 'pending' then at end,
        next_attempt_at = case when s.state = 'pending' then s.next_attempt_at else n.next_attempt_at end,
        failure = case when s.state = 'sent' then n.failure else s.failure end,
        last_error = case when s.state = 'sent' then n.last_error else s.error end,
        result = s.result
    from settled s
    where n.id = s.id
    returning n.id, n.state
  ), not_told as (
    update notified_issue i
    set live = false
    from updated u
    where i.notification_id = u.id and u.state = 'dead' and i.live
  ), told_after_all as (
    -- given up by one worker, got through by another; it may have been told again in between
    update notified_issue i
    set live = true
    from updated u
    where i.notification_id = u.id and u.state = 'sent' and not i.live
      and not exists (
        select from notified_issue other
        where other.live
          and other.target_id = i.target_id
          and other.issue_id = i.issue_id
          and other.cooldown_period && i.cooldown_period)
  )
  select count(*) filter (where state = 'sent'), count(*) filter (where state = 'pending'),
    count(*) filter (where state = 'dead'), array_agg(id) filter (where state <> 'pending'),
    array_agg(id) filter (where state = 'pending')
  into sent, retried, dead, ended, waiting
  from updated;

  perform record_reported(ended);
  perform announce('delivered', jsonb_build_object(
    'target', (
      select t.name
      from notification n
      join event_targets t on t.id = n.target_id
      where n.id = any (ended || waiting)
      limit 1),
    'sent', sent, 'retried', retried, 'dead', dead));
  -- for the earliest of all that wait: the wake-up replaces the one for another's retry
  perform wake_delivery(t.name, (
    select min(n.next_attempt_at) from notification n where n.target_id = t.id and n.state = 'pending'))
  from event_targets t
  where t.id in (select n.target_id from notification n where n.id = any (waiting));
  return next;
end $$;

comment on function settle_notifications(jsonb, timestamptz) is
  'Records outcomes of deliveries: an array of {id, attempt, sent, result} or {id, attempt, sent: false, failure, error, permanent, retry_after_ms}. Returns how many are sent, to be retried, and dead.';
