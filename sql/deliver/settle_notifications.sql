-- Records how deliveries ended. A success counts whoever reports it (the message is out); a failure only from the
-- worker that still holds the message. What cannot succeed any more is dead: then its issues do not count as told.
--
-- An outcome is {id, attempt, sent, result} or {id, attempt, sent: false, failure, error, permanent, retry_after_ms}, either with
-- unrendered: [{issue_id, error}] for issues left out.
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
      failure text, error text, permanent boolean, retry_after_ms bigint, unrendered jsonb)
  ), settled as (
    select n.id, o.unrendered, o.result, o.failure, left(o.error, 1000) as error, retry.next_attempt_at,
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
    returning n.id, n.state, n.target_id, s.unrendered
  ), unrendered as (
    select u.id, u.state, u.target_id, i.issue_id, i.content_id, i.occurrence, left(f.error, 1000) as error
    from updated u
    cross join lateral jsonb_to_recordset(u.unrendered) as f (issue_id bigint, error text)
    join notified_issue i on i.notification_id = u.id and i.issue_id = f.issue_id
    where u.state <> 'pending'
  ), recorded as (
    -- without a cooldown, several messages may tell the same issue
    insert into render_failure (issue_id, target_id, content_id, occurrence, failed_at, error)
    select f.issue_id, f.target_id, f.content_id, f.occurrence, at, f.error
    from unrendered f
    on conflict do nothing
  ), not_told as (
    update notified_issue i
    set voided = i.voided + tstzmultirange(tstzrange(at, null))
    from updated u
    where i.notification_id = u.id and i.live
      and (u.state = 'dead' or i.issue_id in (select f.issue_id from unrendered f where f.id = u.id))
  ), told_after_all as (
    -- given up by one worker, got through by another; it may have been told again in between
    update notified_issue i
    set voided = i.voided - tstzmultirange(tstzrange(at, null))
    from updated u
    where i.notification_id = u.id and u.state = 'sent' and not i.live
      and i.issue_id not in (select f.issue_id from unrendered f where f.id = u.id)
      and not exists (
        select from notified_issue other
        where other.live
          and other.target_id = i.target_id
          and other.issue_id = i.issue_id
          and other.resolved = i.resolved
          and case when i.resolved then other.occurrence = i.occurrence
                   else other.cooldown_period && i.cooldown_period end)
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
  'Records how deliveries ended (an array of outcomes; their form stands in the file) and which issues could not be rendered. Returns how many are sent, to be retried, and dead.';
