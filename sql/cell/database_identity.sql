-- A standby that takes over is the same database; a copy on the same server, or one that was restored, is
-- another.
create or replace function ccx.database_identity() returns text
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select concat_ws('/', s.system_identifier, d.oid)
  from pg_control_system() s
  join pg_database d on d.datname = current_database();
$$;

comment on function ccx.database_identity() is
  'Which database this is: by that, the consumers of a group know that they store into the same one.';
