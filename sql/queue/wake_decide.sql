create or replace function ccx.wake_decide() returns void
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  select graphile_worker.add_job('decide', job_key := 'decide', job_key_mode := 'preserve_run_at');
$$;

comment on function ccx.wake_decide() is 'Queues the task that decides for the clusters in decision_due.';
