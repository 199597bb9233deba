-- A transaction that began before that may still store reports or decisions of a time before it. Whose
-- transactions the owner may not look at (he is no member of pg_read_all_stats) is not waited for. A prepared
-- one began before it was prepared, nobody knows when.
create or replace function ccx.writers_are_done(at timestamptz) returns boolean
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  select not exists (
    select from open_sessions() s
    where s.pid <> pg_backend_pid()
      and (s.backend_type = 'client backend' and s.transaction_since <= writers_are_done.at
        or s.backend_type = 'prepared transaction'))
$$;

comment on function ccx.writers_are_done(timestamptz) is
  'Whether every transaction of this database that began before this time has ended.';
