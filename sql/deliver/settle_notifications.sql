-- Records how deliveries ended. A success counts whoever reports it (the message is out); a failure only from the
-- worker that still holds the message. What cannot succeed any more is dead: then its issues do not count as notified.
--
-- An outcome is {id, attempt, sent, result} or {id, attempt, sent: false, failure, error, permanent, retry_after_ms}, either with
-- unrendered: [{issue_id, error}] for issues left out. tried: false says that the message certainly did not go out, so that
-- the attempt is given back; with no failure it is only released, and due again at once. expired: true comes from
-- expire_notifications(), which is no worker.
--
-- A replay is not in the ledger. Where it repeats a message that had been given up, that one's issues count as notified from
-- the replay on (replay()), and not any more when the replay is given up, too, unless another replay got through or may yet.
-- Replays that fail take turns, so that of two the second knows what became of the first.
--
-- The clock is read when we have the rows: what is written here counts from then. Whoever decided while we waited for them did
-- not know it yet, and decide(…, at) has to give the same answer for ever.
create or replace function ccx.settle_notifications(outcomes jsonb, at timestamptz default null)
returns table (sent integer, retried integer, dead integer, circuit text)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  ended bigint[];
  waiting bigint[];
  evidence jsonb;
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

  with outcome as (
    select *
    from jsonb_to_recordset(outcomes) as o (
      id bigint, attempt integer, sent boolean, result jsonb,
      failure text, error text, permanent boolean, retry_after_ms bigint, tried boolean, expired boolean, unrendered jsonb)
  ), settled as (
    select n.id, o.unrendered, o.result,
      case when release.only then n.failure else coalesce(o.failure, 'client') end as failure,
      case when release.only then n.last_error else left(o.error, 1000) end as error,
      coalesce(o.permanent, false) as permanent, o.retry_after_ms, not coalesce(o.tried, true) as untried, coalesce(o.expired, false) as expired,
      retry.next_attempt_at,
      case
        when o.sent then 'sent'
        when o.permanent or retry.next_attempt_at > retry_until(n) then 'dead'
        else 'pending'
      end as state
    from notification n
    join outcome o on o.id = n.id
    cross join lateral (select coalesce(o.tried = false and o.failure is null, false) as only) release
    cross join lateral (
      select case when release.only then at else at + greatest(
        retry_delay(case when o.tried = false then 1 else n.attempts - n.attempts_before end),
        coalesce(o.retry_after_ms, 0) * interval '1 millisecond') end as next_attempt_at
    ) retry
    where (o.sent and n.state <> 'sent')
      or (n.state = 'pending' and n.attempts = o.attempt and (n.leased_until is not null or o.expired))
  ), updated as (
    update notification n
    set state = s.state,
        ended_at = case when s.state <> 'pending' then at end,
        next_attempt_at = case when s.state = 'pending' then s.next_attempt_at else n.next_attempt_at end,
        failure = case when s.state = 'sent' then n.failure else s.failure end,
        last_error = case when s.state = 'sent' then n.last_error else s.error end,
        result = s.result,
        leased_until = null,
        attempts = n.attempts - case when s.untried and s.state = 'pending' then 1 else 0 end,
        -- as it was before the claim: null, unless it had been tried before it was redriven
        first_tried_at = case
          when s.untried and n.attempts - n.attempts_before = 1 and coalesce(n.first_tried_at >= n.redriven_at, true) then null
          else n.first_tried_at
        end
    from settled s
    where n.id = s.id
    returning n.id, n.state, n.target_id, n.replay_of, s.unrendered, s.failure, s.error, s.permanent, s.retry_after_ms,
      s.untried or s.expired as says_nothing
  ), unrendered as (
    select u.id, u.target_id, u.replay_of, i.issue_id, i.content_id, i.occurrence, left(f.error, 1000) as error
    from updated u
    cross join lateral jsonb_to_recordset(u.unrendered) as f (issue_id bigint, error text)
    join notified_issue i on i.notification_id = u.id and i.issue_id = f.issue_id
    where u.state <> 'pending'
  ), recorded as (
    -- without a cooldown, several messages may tell the same issue
    insert into render_failure (issue_id, target_id, content_id, occurrence, failed_at, error)
    select f.issue_id, f.target_id, f.content_id, f.occurrence, at, f.error
    from unrendered f
    where f.replay_of is null
    on conflict do nothing
  ), not_notified as (
    update notified_issue i
    set voided = i.voided + tstzmultirange(tstzrange(at, null))
    from updated u
    where i.notification_id = u.id and i.live
      and (u.state = 'dead' or i.issue_id in (select f.issue_id from unrendered f where f.id = u.id))
  ), not_notified_again as (
    update notified_issue i
    set voided = i.voided + tstzmultirange(tstzrange(at, null))
    from updated u
    join notification original on original.id = u.replay_of and original.state = 'dead'
    join notified_issue again on again.notification_id = u.id
    where i.notification_id = original.id and i.issue_id = again.issue_id and i.live
      and (u.state = 'dead' or i.issue_id in (select f.issue_id from unrendered f where f.id = u.id))
      and not exists (
        select from notification other
        join notified_issue said on said.notification_id = other.id and said.issue_id = i.issue_id
        where other.replay_of = original.id
          and other.id <> u.id
          and other.state <> 'dead'
          and other.id not in (select d.id from updated d where d.state = 'dead'))
  ), notified_after_all as (
    -- given up by one worker, got through by another, or by a replay; it may have been notified again in between
    update notified_issue i
    set voided = i.voided - tstzmultirange(tstzrange(at, null))
    from updated u
    left join notification original on original.id = u.replay_of
    where i.notification_id = coalesce(u.replay_of, u.id) and u.state = 'sent' and not i.live and not i.left_out
      and coalesce(original.state = 'dead', true)
      and (u.replay_of is null or exists (
        select from notified_issue said where said.notification_id = u.id and said.issue_id = i.issue_id))
      and i.issue_id not in (select f.issue_id from unrendered f where f.id = u.id)
      and not notified_elsewhere(i)
  ), evidence as (
    select u.target_id,
      array_agg(u.id) filter (where u.state = 'sent' or (u.failure = 'client' and u.permanent and not u.says_nothing)) as alive,
      array_agg(u.id) filter (where u.state <> 'sent' and not u.permanent and not u.says_nothing
        and u.failure in ('server', 'timeout', 'network', 'broker', 'auth')) as failed,
      array_agg(u.id) filter (where u.state <> 'sent' and u.failure = 'rate_limited' and not u.says_nothing) as limited,
      max(at + coalesce(u.retry_after_ms, 0) * interval '1 millisecond')
        filter (where u.state <> 'sent' and u.failure = 'rate_limited' and not u.says_nothing) as limited_until,
      (array_agg(jsonb_build_object('failure', u.failure, 'error', u.error) order by u.failure <> 'rate_limited', u.id)
        filter (where u.state <> 'sent' and not u.permanent))[1] as failure
    from updated u
    group by u.target_id
  )
  select count(*) filter (where state = 'sent'), count(*) filter (where state = 'pending'),
    count(*) filter (where state = 'dead'), array_agg(id) filter (where state <> 'pending'),
    array_agg(id) filter (where state = 'pending'), (select jsonb_agg(e) from evidence e)
  into sent, retried, dead, ended, waiting, evidence
  from updated;

  select max(settle_circuit(
    e.target_id, e.alive, e.failed, e.limited, e.limited_until, e.failure ->> 'failure', e.failure ->> 'error', at))
  into circuit
  from jsonb_to_recordset(evidence) as e (
    target_id integer, alive bigint[], failed bigint[], limited bigint[], limited_until timestamptz, failure jsonb);
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
  perform wake_delivery(t.name, next_delivery_at(t.id))
  from event_targets t
  where t.id in (select n.target_id from notification n where n.id = any (waiting));
  return next;
end $$;

comment on function ccx.settle_notifications(jsonb, timestamptz) is
  'Records how deliveries ended (an array of outcomes; their form stands in the file) and which issues could not be rendered. Returns how many are sent, to be retried, and dead, and whether that opened or closed the circuit.';
