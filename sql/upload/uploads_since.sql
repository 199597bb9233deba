-- Planned for what is asked: PostgreSQL 16 and 17 would read every upload for a cluster or an hour in SQL.
create or replace function ccx.uploads_since(
  org_id bigint, cluster text, state text, since timestamptz, most integer
)
returns table (
  request_id text, org_id_of bigint, cluster_of text, state_of text, size bigint, received_at timestamptz,
  storing interval, announcing interval, waiting interval, processing interval, whole interval, failure text
)
language plpgsql stable
set search_path = public, ccx, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
  return query
  select u.request_id, u.org_id, u.cluster, u.state, u.size, u.received_at, u.storing, u.announcing,
    u.waiting, u.processing, u.whole, u.failure
  from upload_status u
  where (uploads_since.org_id is null or u.org_id = uploads_since.org_id)
    and (uploads_since.cluster is null or u.cluster = lower(uploads_since.cluster))
    and (uploads_since.state is null or u.state = uploads_since.state)
    and (uploads_since.since is null or u.received_at >= uploads_since.since)
  order by u.received_at desc nulls last, u.request_id
  limit uploads_since.most;
end $$;

comment on function ccx.uploads_since(bigint, text, text, timestamptz, integer) is
  'Uploads (upload_status) of an organization, a cluster, in a state, received since; null: any. The newest '
  'first, at most so many.';
