create or replace function ccx.end_heartbeat(pool_id text) returns void
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  delete from worker w where w.pool_id = end_heartbeat.pool_id;
$$;

comment on function ccx.end_heartbeat(text) is
  'A worker says that it ends: nobody need wait for its next heartbeat.';
