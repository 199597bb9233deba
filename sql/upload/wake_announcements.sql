-- A wake-up for later has a key of its own, so that it does not hold back the next one for now.
create or replace function ccx.wake_announcements(wake_at timestamptz default null) returns void
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  select wake_up(
    'announce_uploads',
    run_at => wake_at,
    job_key => case when wake_at is null then 'announce_uploads' else 'retry announce_uploads' end,
    job_key_mode => case when wake_at is null then 'preserve_run_at' else 'replace' end);
$$;

comment on function ccx.wake_announcements(timestamptz) is
  'Queues the task that sends announcements and statuses of uploads, for now or for later, at commit.';
