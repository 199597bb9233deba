create or replace function ccx.wake_decide() returns void
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  select wake_up('decide', 'decide');
$$;

comment on function ccx.wake_decide() is
  'Queues the task that decides for the clusters in decision_due, when the transaction commits.';
