-- Each cell has a schema of its own for its part of each table.
create or replace function fleet.complete() returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
set client_min_messages = warning
as $$
declare
  missing record;
  made integer := 0;
begin
  for missing in
    select c.name as cell, t.relname as table_name, 'cell_' || c.name as schema,
      case t.relname when 'applied' then 'settings_' else 'cell_' end || c.name as server
    from fleet.cell c
    cross join pg_class t
    where t.relnamespace = 'fleet'::regnamespace and t.relkind = 'p'
      and (t.relname <> 'applied' or c.settings_login is not null)
      and to_regclass(format('%I.%I', 'cell_' || c.name, t.relname)) is null
  loop
    execute format('create schema if not exists %I', missing.schema);
    execute format('create foreign table %I.%I partition of fleet.%I for values in (%L) '
      'server %I options (schema_name %L, table_name %L)',
      missing.schema, missing.table_name, missing.table_name, missing.cell, missing.server, 'fleet',
      missing.table_name);
    made := made + 1;
  end loop;
  return made;
end $$;

comment on function fleet.complete() is
  'Makes the part of each table that a cell does not have yet, and returns how many; after a later release.';
