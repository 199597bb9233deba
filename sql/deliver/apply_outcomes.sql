-- A success counts whoever reports it (the message is out); a failure only from the worker that still holds
-- the message. What cannot succeed any more is dead.
create or replace function ccx.apply_outcomes(outcomes jsonb, at timestamptz) returns settled_notification[]
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  settled settled_notification[];
begin
  with outcome as (
    select *
    from jsonb_to_recordset(outcomes) as o (
      id bigint, attempt integer, sent boolean, result jsonb,
      failure text, error text, permanent boolean, retry_after_ms bigint, tried boolean, expired boolean,
        unrendered jsonb)
  ), settled as (
    select n.id, o.unrendered, o.result,
      case when release.only then n.failure else coalesce(o.failure, 'client') end as failure,
      case when release.only then n.last_error else left(o.error, 1000) end as error,
      coalesce(o.permanent, false) as permanent, o.retry_after_ms, not coalesce(o.tried, true) as untried,
        coalesce(o.expired, false) as expired,
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
          when s.untried and n.attempts - n.attempts_before = 1
            and coalesce(n.first_tried_at >= n.redriven_at, true) then null
          else n.first_tried_at
        end
    from settled s
    where n.id = s.id
    returning (n.id, n.target_id, n.replay_of, n.state, s.unrendered, s.failure, s.error, s.permanent,
      s.retry_after_ms,
      s.untried or s.expired)::settled_notification as settled
  )
  select array_agg(u.settled) into settled from updated u;
  return settled;
end $$;

comment on function ccx.apply_outcomes(jsonb, timestamptz) is
  'Marks messages as sent, to be tried again, or dead by these outcomes (settle_notifications()); returns '
  'those that an outcome counts for, null: none.';
