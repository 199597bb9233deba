-- In a transaction of its own: that of the load is undone.
create or replace function ccx.note_held_load(reason text) returns void
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  update content_guard g
  set held_since = coalesce(g.held_since, now()), held_reason = left(note_held_load.reason, 1000);
$$;

comment on function ccx.note_held_load(text) is
  'Notes that a load of content was refused, as it would change too much.';
