-- The job is only a wake-up, the outbox row is the work: losing the job costs a minute (sweep), never a
-- message. A wake-up for later has a key of its own, so that it does not hold back the next one for now.
-- While the circuit is open a wake-up is for its next probe, whoever asks.
create or replace function ccx.wake_delivery(target text, wake_at timestamptz default null) returns void
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  select wake_up(
    t.task,
    run_at => wake.at,
    job_key => case when wake.at is null then 'deliver ' else 'retry ' end || t.name,
    job_key_mode => case when wake.at is null then 'preserve_run_at' else 'replace' end)
  from event_targets t
  left join circuit c on c.target_id = t.id and c.opened_at is not null
  cross join lateral (select greatest(c.retry_at, c.probe_until) as until) blocked
  cross join lateral (
    select case when wake_at is not null or blocked.until > now()
      then greatest(wake_at, blocked.until) end as at
  ) wake
  where t.name = wake_delivery.target;
$$;

comment on function ccx.wake_delivery(text, timestamptz) is
  'Queues the delivery task of a target (its name as in event_targets), for now or for later, when the '
  'transaction commits; while its circuit is open, for the next probe.';
