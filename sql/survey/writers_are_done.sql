-- A transaction that began before that may still store reports or decisions of a time before it. Whose
-- transactions this role may not look at (it is no member of pg_read_all_stats) is not waited for.
create or replace function ccx.writers_are_done(at timestamptz) returns boolean
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  select not exists (
    select from pg_stat_activity a
    where a.datname = current_database() and a.backend_type = 'client backend' and a.pid <> pg_backend_pid()
      and a.xact_start <= writers_are_done.at)
$$;

comment on function ccx.writers_are_done(timestamptz) is
  'Whether every transaction of this database that began before this time has ended.';
