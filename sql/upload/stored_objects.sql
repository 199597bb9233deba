-- A page at a time, by the primary key: the first piece of an object stands for it.
create or replace function ccx.stored_objects(prefix text, after text, most integer)
  returns table (key text, stored_at timestamptz)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select c.object_key, c.stored_at
  from archive_chunk c
  where c.nth = 0 and c.object_key > stored_objects.after collate "C"
    and c.object_key >= stored_objects.prefix collate "C"
    and starts_with(c.object_key, stored_objects.prefix)
  order by c.object_key
  limit stored_objects.most;
$$;

comment on function ccx.stored_objects(text, text, integer) is
  'Objects in the store of this database whose keys begin with prefix and come after another, in their '
  'order.';
