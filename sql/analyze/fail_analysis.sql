-- What may pass is tried again, after longer and longer, for about three hours; the rest is given up at once.
-- A failure of null gives it back as it was: nothing was done with it.
create or replace function ccx.fail_analysis(
  id bigint, attempt integer, failure text, error text, at timestamptz default now()
) returns text
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  with verdict as (
    select fail_analysis.failure is null
      or fail_analysis.attempt < 12 and fail_analysis.failure in (
        'unreachable', 'too_slow', 'server_error', 'broken_off', 'engine_failed', 'overloaded') as again
  )
  update analysis a
  set state = case when v.again then 'waiting' else 'dead' end,
    next_attempt_at = case
      when fail_analysis.failure is null then fail_analysis.at
      when v.again then
        fail_analysis.at + least(2 ^ fail_analysis.attempt * interval '2.5 seconds', interval '1 hour') end,
    ended_at = case when not v.again then fail_analysis.at end,
    attempts = case when fail_analysis.failure is null then a.attempts - 1 else a.attempts end,
    interruptions = 0,
    failure = fail_analysis.failure,
    error = left(fail_analysis.error, 1000)
  from verdict v
  where a.id = fail_analysis.id and a.attempts = fail_analysis.attempt and a.state = 'waiting'
  returning a.state;
$$;

comment on function ccx.fail_analysis(bigint, integer, text, text, timestamptz) is
  'Records that an attempt failed: waiting, if time may mend it, else dead; null when somebody else has it '
  'by now. A failure of null gives it back untried.';
