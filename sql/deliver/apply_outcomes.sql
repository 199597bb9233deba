-- A message that the receiver refuses is dead only if others get through: a receiver, or something on the way
-- to it, that refuses everybody says nothing about the message. Until then it waits, as after any failure.
--
-- One that is too large and has several issues is due again at once, to be split (split_too_large()); that is
-- no attempt.
--
-- A success counts whoever reports it (the message is out); a failure only from the worker that still holds
-- the message. What cannot succeed any more is dead.
create or replace function ccx.apply_outcomes(outcomes jsonb, at timestamptz) returns settled_notification[]
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  settled settled_notification[];
  accepting integer[];
begin
  accepting := array(
    select distinct n.target_id
    from notification n
    where n.id = any (array(
      select (o ->> 'id')::bigint from jsonb_array_elements(outcomes) o where (o ->> 'sent')::boolean)));

  with outcome as (
    select *
    from jsonb_to_recordset(outcomes) as o (
      id bigint, attempt integer, sent boolean, result jsonb,
      failure text, error text, permanent boolean, retry_after_ms bigint, tried boolean, not_stored boolean,
        too_large boolean, expired boolean, unrendered jsonb, doubtful jsonb)
  ), settled as (
    select n.id, o.unrendered, o.doubtful, o.result,
      case when release.only then n.failure else coalesce(o.failure, 'client') end as failure,
      case when release.only then n.last_error else left(o.error, 1000) end as error,
      own.permanent, coalesce(o.too_large, false) as too_large, o.retry_after_ms,
      not coalesce(o.tried, true) or own.is_split as untried,
      horizon.may_be_out,
        coalesce(o.expired, false) as expired,
      -- a wait that is longer than what is left still leaves a last try
      case when retry.next_attempt_at < horizon.last_try_at
        then least(greatest(retry.next_attempt_at, retry.asked_at), horizon.last_try_at)
        else greatest(retry.next_attempt_at, retry.asked_at) end as next_attempt_at,
      case
        when o.sent then 'sent'
        when own.is_final or retry.next_attempt_at > horizon.until then 'dead'
        else 'pending'
      end as state
    from notification n
    join outcome o on o.id = n.id
    cross join lateral (select coalesce(o.tried = false and o.failure is null, false) as only) release
    cross join lateral (
      select case when o.too_large then 1 < (
        select count(*) from notified_issue t where t.notification_id = n.id and not t.left_out)
        else false end as is_split
    ) size
    cross join lateral (
      select size.is_split, coalesce(o.permanent, false) as permanent,
        not size.is_split and coalesce(o.permanent, false) and (coalesce(o.expired or o.too_large, false)
          or coalesce(o.failure, 'client') <> 'client' or o.tried = false
          -- refused, while others get through: now, or since it was refused before
          or n.target_id = any (accepting)
          or n.failure = 'client' and not exists (
            select from circuit c
            where c.target_id = n.target_id and (c.opened_at is not null or n.id = any (c.failed_messages)))
        ) as is_final
    ) own
    cross join lateral (
      select case when release.only or own.is_split then at
          else at + retry_delay(case when o.tried = false then 1 else n.attempts - n.attempts_before end)
        end as next_attempt_at,
        at + o.retry_after_ms * interval '1 millisecond' as asked_at
    ) retry
    cross join lateral (
      select n.may_be_out or coalesce(o.expired, false)
        or not coalesce(o.sent or o.not_stored or not o.tried, false) as may_be_out
    ) tried
    cross join lateral (
      select tried.may_be_out, case when tried.may_be_out then retry_until(n) end as until,
        case when tried.may_be_out then retry_until(n) - interval '1 minute' end as last_try_at
    ) horizon
    where (o.sent and n.state in ('pending', 'dead'))
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
        may_be_out = s.may_be_out,
        -- as it was before the claim: null, unless an earlier try may have reached the receiver
        first_tried_at = case when s.state = 'sent' or s.may_be_out then n.first_tried_at end
    from settled s
    where n.id = s.id
    returning (n.id, n.target_id, n.replay_of, n.state, s.unrendered, s.failure, s.error, s.permanent,
      s.too_large, s.retry_after_ms,
      s.untried or s.expired, s.doubtful)::settled_notification as settled
  )
  select array_agg(u.settled) into settled from updated u;
  return settled;
end $$;

comment on function ccx.apply_outcomes(jsonb, timestamptz) is
  'Marks messages as sent, to be tried again, or dead by these outcomes (settle_notifications()); returns '
  'those that an outcome counts for, null: none.';
