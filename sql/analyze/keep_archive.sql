-- What is in `files` now becomes rows that stay. The same upload is kept once.
create or replace function ccx.keep_archive(a analysis, at timestamptz) returns bigint
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  kept bigint;
begin
  insert into kept_archive (analysis_id, request_id, org_id, cluster, announced_at, kept_at)
  values (a.id, a.request_id, a.org_id, a.cluster, a.announced_at, keep_archive.at)
  on conflict (request_id) do nothing
  returning id into kept;
  if kept is not null then
    insert into archive_document (archive_id, path, document, body)
    select kept, f.path, f.document, f.body
    from pg_temp.files f;
  end if;
  return kept;
end $$;

comment on function ccx.keep_archive(analysis, timestamptz) is
  'Keeps the documents in the table files as those of this analysis; null: they were kept before.';
