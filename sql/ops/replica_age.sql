-- An upper bound: what the primary committed last, as far as it got here, may be all there is. Workers write
-- a heartbeat every 15 seconds, so a standby that keeps up with a running service never looks older than
-- that. Nothing else distinguishes a standby whose line to the primary hangs from one that has all there is.
create or replace function ccx.replica_age() returns double precision
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  select case when pg_is_in_recovery() then coalesce(
    greatest(extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()), 0), 'infinity') end;
$$;

comment on function ccx.replica_age() is
  'On a standby: how many seconds old its answers are at most (by the clocks of both servers); infinity '
  'while it has replayed nothing. Null on a primary.';
