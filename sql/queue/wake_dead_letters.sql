-- Without a dead-letter topic no process takes the task: one job then waits in the queue, never more.
create or replace function ccx.wake_dead_letters() returns void
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  select wake_up('forward_rejected', 'forward_rejected');
$$;

comment on function ccx.wake_dead_letters() is
  'Queues the task that forwards rejected messages to the dead-letter topic.';
