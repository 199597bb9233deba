-- Of all stores, in one pass over what is kept: `ccx upload limits` asks, before and after a change.
create or replace function ccx.archive_room(at timestamptz default now())
  returns table (
    keep interval, max_bytes bigint, changed_by text, changed_at timestamptz, kept_archives bigint,
    kept_bytes bigint, past_archives bigint, past_bytes bigint)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select l.keep, l.max_bytes, l.changed_by, l.changed_at, kept.archives, kept.bytes, past.archives, past.bytes
  from archive_limits l
  cross join (
    select count(*) as archives, coalesce(sum(a.size), 0)::bigint as bytes
    from archive a
    where a.removed_at is null
  ) kept
  cross join (
    select count(*) as archives, coalesce(sum(a.size), 0)::bigint as bytes
    from unnest('{database,folder,s3}'::text[]) s (store)
    cross join lateral archives_to_remove(s.store, 2147483647, archive_room.at) r
    join archive a on a.archive_id = r.archive_id
  ) past;
$$;

comment on function ccx.archive_room(timestamptz) is
  'How long and how many bytes of contents of archives are kept (archive_limits), how many archives and '
  'bytes that is now, and how many of them go next.';
