-- Ours has no versions between 0 and 8: the tables are always those of version 8 and more. The number is kept
-- since other programs ask for it, and begin by asking whether there is just one.
create or replace function ccx.schema_version() returns integer
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select case when count(*) = 1 then min(version) end from migration_info;
$$;

comment on function ccx.schema_version() is
  'The version of the notification writer''s schema that migration_info names; null: it has no row, or '
  'several.';
