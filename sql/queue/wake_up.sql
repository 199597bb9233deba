-- A wish only: the job's row would stay locked until the caller's transaction ends, and everybody who wakes
-- the same task would wait for it. tg_wake_up__send() turns the wishes of a transaction into jobs when it
-- commits.
create or replace function ccx.wake_up(
  task text, job_key text, job_key_mode text default 'preserve_run_at', run_at timestamptz default null
) returns void
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  insert into wake_up (task, job_key, job_key_mode, run_at)
  values (wake_up.task, wake_up.job_key, wake_up.job_key_mode, wake_up.run_at);
$$;

comment on function ccx.wake_up(text, text, text, timestamptz) is
  'Queues a graphile-worker job of this task, for now or for run_at, when the transaction commits; key and '
  'mode as add_job() takes them.';
