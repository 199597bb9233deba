-- The job is only a wake-up, the outbox row is the work: losing the job costs a minute (sweep), never a message.
-- A wake-up for later has a key of its own, so that it does not hold back the next one for now.
create or replace function wake_delivery(target text, wake_at timestamptz default null) returns void
language sql volatile
set search_path = public, pg_temp
as $$
  select graphile_worker.add_job(
    'deliver_' || replace(target, ' ', '_'),
    run_at := wake_at,
    job_key := case when wake_at is null then 'deliver ' else 'retry ' end || target,
    job_key_mode := case when wake_at is null then 'preserve_run_at' else 'replace' end);
$$;

comment on function wake_delivery(text, timestamptz) is
  'Queues the delivery task of a target (its name as in event_targets), for now or for later.';
