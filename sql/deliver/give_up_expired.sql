-- A worker that dies between sending and settling leaves a try behind of which nobody knows how it ended. It is tried
-- again, but not for ever: settle_notifications() never hears of it, so the horizon is kept here, too.
create or replace function give_up_expired(at timestamptz default now()) returns integer
language sql volatile
set search_path = public, pg_temp
as $$
  select coalesce(sum(s.dead), 0)::integer
  from (
    select jsonb_agg(jsonb_build_object(
      'id', n.id, 'attempt', n.attempts, 'sent', false, 'permanent', true, 'failure', 'timeout',
      'error', format('given up: %s tries, and it is not known how the last one ended', n.attempts))) as outcomes
    from notification n
    where n.state = 'pending'
      and n.attempts > 0
      and n.next_attempt_at <= at
      and n.decided_at <= at - retry_horizon()
  ) expired
  cross join lateral settle_notifications(expired.outcomes, at) s
  where expired.outcomes is not null;
$$;

comment on function give_up_expired(timestamptz) is
  'Gives up messages that were tried, were never settled, and are too old to be tried again; returns how many.';
