-- Nobody claims a message whose horizon has passed, so settle_notifications() never hears of it: a worker
-- died between sending and settling, or the circuit was open all the time. What went wrong last stays its
-- reason where that is known.
create or replace function ccx.expire_notifications(at timestamptz default now()) returns integer
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  select coalesce(sum(s.dead), 0)::integer
  from (
    select jsonb_agg(jsonb_build_object(
      'id', n.id, 'attempt', n.attempts, 'sent', false, 'permanent', true, 'expired', true)
      || case
        when n.leased_until is null and n.failure is not null then
          jsonb_build_object('failure', n.failure, 'error', n.last_error)
        else jsonb_build_object('failure', 'timeout',
          'error', format('given up: %s tries, and it is not known how the last one ended', n.attempts))
      end) as outcomes
    from notification n
    where n.state = 'pending'
      and n.next_attempt_at <= at
      and retry_until(n) <= at
  ) expired
  cross join lateral settle_notifications(expired.outcomes, at) s
  where expired.outcomes is not null;
$$;

comment on function ccx.expire_notifications(timestamptz) is
  'Gives up messages that were tried, have not got through, and are too old to be tried again; returns how '
  'many.';
