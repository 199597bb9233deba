-- With the rights of the owner, who is in pg_read_all_stats: whoever watches the service has to see how long
-- the transactions of others are open, and not what they ask. The texts of statements hold data of customers.
-- A prepared transaction has no session any more, and holds locks and vacuum back like one that does nothing;
-- 0 is also what pg_blocking_pids() says of it. When it began nobody knows: it was prepared after that.
create or replace function ccx.open_sessions()
  returns table (pid integer, user_name text, application_name text, client inet, backend_type text,
    state text,
    state_since timestamptz, transaction_since timestamptz, statement_since timestamptz, wait_event_type text,
    wait_event text, prepared_as text)
language sql stable security definer
set search_path = public, ccx, pg_temp
as $$
  select a.pid, a.usename, a.application_name, a.client_addr, a.backend_type, a.state, a.state_change,
    a.xact_start, a.query_start, a.wait_event_type, a.wait_event, null
  from pg_stat_activity a
  where a.datname = current_database()
  union all
  select 0, x.owner, null, null, 'prepared transaction', 'idle in transaction', x.prepared, x.prepared,
    null, null,
    null, x.gid
  from pg_prepared_xacts x
  where x.database = current_database()
$$;
revoke execute on function ccx.open_sessions() from public;

comment on function ccx.open_sessions() is
  'The sessions and prepared transactions of this database, of every user, without the texts of their '
  'statements: what the view sessions shows.';
