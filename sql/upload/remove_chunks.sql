create or replace function ccx.remove_chunks(object_key text) returns void
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  delete from archive_chunk c where c.object_key = remove_chunks.object_key;
$$;

comment on function ccx.remove_chunks(text) is
  'Removes an object from the store of this database; one that is gone already is no error.';
