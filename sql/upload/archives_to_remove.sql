-- By age first, then, where max_bytes is short, the oldest. What is not announced yet, or waits for its
-- analysis, is kept whatever it costs: its URL would lead nowhere. One that was given up can be redriven for
-- as long as it is kept. What is to be forgotten goes: forget() has removed its announcement and analysis.
-- Without max_bytes only what is past is read, by index.
create or replace function ccx.archives_to_remove(store text, most integer, at timestamptz default now())
  returns table (archive_id bigint, object_key text)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  with past as (
    select a.archive_id, a.object_key, a.stored_at
    from archive a
    where a.store = archives_to_remove.store and a.removed_at is null
      and a.stored_at < archives_to_remove.at - (select l.keep from archive_limits l)
    union
    select a.archive_id, a.object_key, a.forgotten_at
    from archive a
    where a.store = archives_to_remove.store and a.forgotten_at is not null
    union
    select k.archive_id, k.object_key, k.stored_at
    from (
      select a.archive_id, a.object_key, a.stored_at,
        sum(a.size) over (order by a.stored_at desc, a.archive_id desc) as bytes_with_newer
      from archive a
      where a.store = archives_to_remove.store and a.removed_at is null
        and (select l.max_bytes from archive_limits l) is not null
    ) k
    where k.bytes_with_newer > (select l.max_bytes from archive_limits l)
  )
  select p.archive_id, p.object_key
  from past p
  where not exists (
    select from upload_message m
    where m.archive_id = p.archive_id and m.kind = 'announcement' and m.due_at is not null)
    and not exists (
      select from archive r
      join analysis j on j.request_id = r.request_id and j.org_id = r.org_id
      where r.archive_id = p.archive_id and j.state = 'waiting')
  order by p.stored_at, p.archive_id
  limit archives_to_remove.most;
$$;

comment on function ccx.archives_to_remove(text, integer, timestamptz) is
  'Archives of a store whose contents are kept for longer, or take more room, than archive_limits says; the '
  'oldest first.';
