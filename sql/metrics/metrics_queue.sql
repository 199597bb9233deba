-- Jobs are wake-ups: few at any time, whatever waits in the tables.
create or replace view metrics_queue with (security_invoker = true) as
select
  t.task,
  count(*) filter (where j.locked_at is null and j.attempts < j.max_attempts and j.run_at <= now())
    ::double precision as ready_jobs,
  count(*) filter (where j.locked_at is not null)::double precision as running_jobs,
  count(*) filter (where j.locked_at is null and j.attempts >= j.max_attempts)::double precision
    as failed_jobs,
  greatest(coalesce(extract(epoch from now() - min(j.run_at)
    filter (where j.locked_at is null and j.attempts < j.max_attempts)), 0), 0)::double precision
    as oldest_ready_seconds
from (
  select e.task from event_targets e
  union all
  values ('decide'), ('fetch_content'), ('fetch_registry'), ('forward_rejected'), ('retain'), ('sweep')
) t
left join graphile_worker.jobs j on j.task_identifier = t.task
group by t.task;

comment on view metrics_queue is
  'The jobs of each task: wake-ups that are due, that a worker runs, and that failed for the last time.';
comment on column metrics_queue.task is 'name of the task';
comment on column metrics_queue.ready_jobs is 'jobs that are due and that nobody has taken';
comment on column metrics_queue.running_jobs is 'jobs that a worker has';
comment on column metrics_queue.failed_jobs is 'jobs that are not tried again';
comment on column metrics_queue.oldest_ready_seconds is
  'how long the job is due that is due longest; 0 when none is';
