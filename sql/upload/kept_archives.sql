-- As uploads_since().
create or replace function ccx.kept_archives(org_id bigint, cluster text, since timestamptz, most integer)
returns table (
  request_id text, org_id_of bigint, cluster_of text, size bigint, store text, stored_at timestamptz,
  kept_until timestamptz, same_as text, duplicates bigint, sha256 text
)
language plpgsql stable
set search_path = public, ccx, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
  return query
  select a.request_id, a.org_id, a.cluster, a.size, a.store, a.stored_at, a.kept_until, a.same_as,
    a.duplicates, a.sha256
  from archives a
  where a.is_kept
    and (kept_archives.org_id is null or a.org_id = kept_archives.org_id)
    and (kept_archives.cluster is null or a.cluster = lower(kept_archives.cluster))
    and (kept_archives.since is null or a.received_at >= kept_archives.since)
  order by a.received_at desc, a.archive_id desc
  limit kept_archives.most;
end $$;

comment on function ccx.kept_archives(bigint, text, timestamptz, integer) is
  'Archives whose contents are kept, of an organization, a cluster, received since; null: any. The newest '
  'first, at most so many.';
