-- Reports that arrive meanwhile wait for the newest one, and then begin the cluster anew. An example of a
-- doubtful text names no cluster any more. The content of an archive is removed by the task tidy_archives,
-- which has the store, and its row with it.
create or replace function ccx.forget_rows(
  org_id bigint, cluster text, with_settings boolean, most integer default null
) returns table (name text, row_count bigint)
language plpgsql volatile
set search_path = public, ccx, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
  place cluster_table;
  spellings constant text[] := array[lower(forget_rows.cluster), upper(forget_rows.cluster)];
  was constant text := may_rewrite('on');
begin
  perform set_config('ccx.forgotten_org', coalesce(forget_rows.org_id::text, ''), true);
  if forget_rows.cluster is not null then
    perform from latest_report l
    where l.cluster = any (spellings) and (forget_rows.org_id is null or l.org_id = forget_rows.org_id)
    order by l.cluster, l.org_id
    for update;
    delete from doubtful_text d where d.example_cluster = any (spellings);
  end if;
  for place in
    select p.* from cluster_table p
    where (with_settings or not p.by_people)
      and (forget_rows.cluster is null or p.cluster is not null or p.by_issue)
    order by p.nth, p.name
  loop
    name := place.name;
    execute format('delete from %s d where d.ctid = any (array(%s%s))', place.name,
      forgotten_rows(place, forget_rows.org_id is not null, forget_rows.cluster is not null, false),
      ' limit ' || most)
    using forget_rows.org_id, spellings;
    get diagnostics row_count = row_count;
    if row_count > 0 then
      return next;
    end if;
  end loop;

  update archive a
  set forgotten_at = now()
  where a.forgotten_at is null and a.removed_at is null
    and (forget_rows.org_id is null or a.org_id = forget_rows.org_id)
    and (forget_rows.cluster is null or a.cluster = any (spellings));
  get diagnostics row_count = row_count;
  if row_count > 0 then
    perform wake_up('tidy_archives', 'tidy_archives');
    name := 'archive';
    return next;
  end if;
  perform set_config('ccx.forgotten_org', '', true), may_rewrite(was);
end $$;

comment on function ccx.forget_rows(bigint, text, boolean, integer) is
  'Deletes what belongs to this organization, this cluster, or both, wherever it is; with what people made, '
  'or without; at most so many rows of each table. Returns how many rows of which table.';
