create or replace function ccx.own_archive(analysis_id bigint) returns table (store text, object_key text)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select r.store, r.object_key
  from analysis a
  join archive r on r.request_id = a.request_id and r.org_id = a.org_id
  where a.id = own_archive.analysis_id and r.removed_at is null;
$$;

comment on function ccx.own_archive(bigint) is
  'Where the archive of an analysis is; no row: another ingress has it, or its content is gone.';
