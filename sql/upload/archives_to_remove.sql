-- By age first, then, where max_bytes is short, the oldest. What is not announced yet is kept whatever it
-- costs: it would be announced with a URL that leads nowhere. One that was given up can be redriven for as
-- long as it is kept.
create or replace function ccx.archives_to_remove(store text, most integer, at timestamptz default now())
  returns table (archive_id bigint, object_key text)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  with kept as (
    select a.archive_id, a.object_key, a.stored_at,
      sum(a.size) over (order by a.stored_at desc, a.archive_id desc) as bytes_with_newer
    from archive a
    where a.store = archives_to_remove.store and a.removed_at is null
  )
  select k.archive_id, k.object_key
  from kept k
  cross join archive_limits l
  where (k.stored_at < archives_to_remove.at - l.keep or k.bytes_with_newer > l.max_bytes)
    and not exists (
      select from upload_message m
      where m.archive_id = k.archive_id and m.kind = 'announcement' and m.due_at is not null)
  order by k.stored_at, k.archive_id
  limit archives_to_remove.most;
$$;

comment on function ccx.archives_to_remove(text, integer, timestamptz) is
  'Archives of a store whose contents are kept for longer, or take more room, than archive_limits says; the oldest '
  'first.';
