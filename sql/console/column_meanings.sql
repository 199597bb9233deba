-- A page explains its table in the words that psql shows.
create or replace function ccx.column_meanings(relation text)
returns jsonb
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select coalesce(jsonb_object_agg(a.attname, col_description(a.attrelid, a.attnum)), '{}')
  from pg_attribute a
  where a.attrelid = column_meanings.relation::regclass and a.attnum > 0 and not a.attisdropped
$$;

comment on function ccx.column_meanings(text) is
  'What each column of a table or view means, as its comment says, by name.';
