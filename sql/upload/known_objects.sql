create or replace function ccx.known_objects(keys text[]) returns text[]
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select coalesce(array_agg(a.object_key), '{}')
  from archive a
  where a.object_key = any (known_objects.keys) and a.removed_at is null;
$$;

comment on function ccx.known_objects(text[]) is
  'Which of these objects are contents of archives that are kept; the others may go.';
