-- In one transaction, so that whoever is killed here has the cell that he had before. Splits only: a cell
-- that took buckets in would lack what is known of their clusters. Settings of a whole organization stay in
-- every cell, those of a cluster with the cluster.
--
-- Archives: their contents lie in one store, and each database removes from it what it does not know. So the
-- uploads stay whole with one cell, whoever owns the clusters, and the others get a prefix of their own.
create or replace function adopt_cell(name text, buckets int4multirange, with_uploads boolean default false)
returns table (table_name text, row_count bigint)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  place cluster_table;
  owned int4multirange;
  running text;
  was text;
begin
  if adopt_cell.name is null or adopt_cell.name !~ '^[a-z0-9][a-z0-9_-]{0,30}$' then
    raise exception 'a cell needs a name of at most 31 small letters, digits, "-" and "_"'
      using errcode = 'NTZ01';
  end if;
  -- whoever starts meanwhile waits here, and then finds the new name
  lock table cell in access exclusive mode;
  select c.buckets into strict owned from cell c;
  if adopt_cell.buckets is null or isempty(adopt_cell.buckets) or not adopt_cell.buckets <@ owned then
    raise exception 'a cell can only keep buckets that it has: %, not %', owned,
      coalesce(adopt_cell.buckets::text, 'null')
      using errcode = 'NTZ02';
  end if;
  select string_agg(distinct a.application_name, ', ') into running
  from pg_stat_activity a
  where a.datname = current_database() and a.pid <> pg_backend_pid()
    and a.application_name ~ '^ccx (analyze|consume|work|serve|results|console)';
  if running is not null then
    raise exception 'a service uses this database (%): it has to stop first', running using errcode = 'NTZ03';
  end if;

  was := may_rewrite('on');
  for place in
    select p.*
    from cluster_table p
    where p.cluster is not null or p.by_issue
    order by p.nth, p.name
  loop
    table_name := place.name;
    continue when table_name in ('analysis', 'kept_archive', 'upload_message', 'archive');
    execute format('delete from %s t where %s', place.name,
      case when place.by_issue
        then 'exists (select from issue i where i.id = t.issue_id and not $1 @> bucket_of(i.cluster))'
        else format('not $1 @> bucket_of(%s)', place.cluster) end)
      || case table_name when 'rejected_message'
        then ' or t.cluster is null and not $1 @> t.partition % 256' else '' end
    using adopt_cell.buckets;
    get diagnostics row_count = row_count;
    if row_count > 0 then
      return next;
    end if;
  end loop;
  delete from doubtful_text d where not adopt_cell.buckets @> bucket_of(d.example_cluster);

  if not with_uploads then
    for place in
      select p.* from cluster_table p
      where p.name in ('analysis', 'kept_archive', 'upload_message', 'archive')
      order by p.nth
    loop
      table_name := place.name;
      execute format('delete from %s', place.name);
      get diagnostics row_count = row_count;
      if row_count > 0 then
        return next;
      end if;
    end loop;
    delete from archive_chunk;
    update ccx.archive_identity set prefix = left(replace(gen_random_uuid()::text, '-', ''), 12);
  end if;
  perform may_rewrite(was);

  update cell c set name = adopt_cell.name, buckets = adopt_cell.buckets, adopted_at = clock_timestamp();
end $$;

comment on function adopt_cell(text, int4multirange, boolean) is
  'Makes this database the cell of these buckets and forgets the clusters of all others, at once or not at '
  'all; returns how many rows of which table went. Uploads stay with_uploads only. Raises NTZ01 to NTZ03.';
