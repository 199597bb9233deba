create or replace function ccx.put_chunk(object_key text, nth integer, bytes bytea) returns void
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  insert into archive_chunk (object_key, nth, bytes, stored_at)
  values (put_chunk.object_key, put_chunk.nth, put_chunk.bytes, clock_timestamp());
$$;

comment on function ccx.put_chunk(text, integer, bytea) is
  'Adds a piece to an object in the store of this database.';
