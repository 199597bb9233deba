create or replace function preview_forget(org_id bigint default null, cluster text default null)
returns table (name text, row_count bigint)
language plpgsql stable security definer
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  place cluster_table;
  spellings constant text[] := array[lower(preview_forget.cluster), upper(preview_forget.cluster)];
begin
  if num_nonnulls(preview_forget.org_id, nullif(preview_forget.cluster, '')) = 0 then
    raise exception 'name an organization, a cluster, or both' using errcode = 'NTR05';
  end if;
  for place in
    select p.* from cluster_table p
    where preview_forget.cluster is null or p.cluster is not null or p.by_issue
    order by p.nth, p.name
  loop
    name := place.name;
    execute format('select count(*) from (%s) of_it', replace(
        forgotten_rows(place, preview_forget.org_id is not null, preview_forget.cluster is not null),
        't.removed_at is not null', 'true'))
      into row_count
      using preview_forget.org_id, spellings;
    if row_count > 0 then
      return next;
    end if;
  end loop;
end $$;
revoke execute on function preview_forget(bigint, text) from public;

comment on function preview_forget(bigint, text) is
  'How many rows of which table forget() would delete; tables without any are left out. Raises NTR05 without '
  'an organization and a cluster.';
