-- In a transaction of its own: that of the load is undone.
create or replace function ccx.note_registry(source text, failure text) returns void
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  insert into registry_source as s (source, failed_at, failure)
  values (note_registry.source, case when note_registry.failure is not null then now() end,
    left(note_registry.failure, 1000))
  on conflict (source) do update
  set failed_at = case when excluded.failure is not null then coalesce(s.failed_at, excluded.failed_at) end,
    failure = excluded.failure
  where s.failure is distinct from excluded.failure;
$$;

comment on function ccx.note_registry(text, text) is
  'Notes why a source of the registry could not be loaded, and since when; null: it could, and is as it was.';
