-- Without a dead-letter topic no process takes the task: one job then waits in the queue, never more.
create or replace function ccx.wake_dead_letters() returns void
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  select graphile_worker.add_job('forward_rejected', job_key := 'forward_rejected',
    job_key_mode := 'preserve_run_at');
$$;

comment on function ccx.wake_dead_letters() is
  'Queues the task that forwards rejected messages to the dead-letter topic.';
