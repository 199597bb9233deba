-- In a transaction of its own: that of the load is undone.
create or replace function ccx.note_registry(source text, failure text, asked_every interval default null)
  returns void
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  insert into registry_source as s (source, failed_at, failure, asked_at, asked_every)
  values (note_registry.source, case when note_registry.failure is not null then now() end,
    left(note_registry.failure, 1000), now(), note_registry.asked_every)
  on conflict (source) do update
  set failed_at = case when excluded.failure is not null then coalesce(s.failed_at, excluded.failed_at) end,
    failure = excluded.failure, asked_at = excluded.asked_at,
    asked_every = coalesce(excluded.asked_every, s.asked_every);
$$;

comment on function ccx.note_registry(text, text, interval) is
  'Notes that a source of the registry was asked, why it could not be loaded, and since when; null: it '
  'could, and is as it was. asked_every: how often whoever asks means to do so.';
