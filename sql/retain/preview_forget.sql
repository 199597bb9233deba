create or replace function preview_forget(org_id bigint default null, cluster text default null)
returns table (name text, row_count bigint)
language plpgsql stable security definer
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  place cluster_table;
  one constant text := cluster_to_forget(preview_forget.org_id, preview_forget.cluster);
  spellings constant text[] := array[lower(one), upper(one)];
begin
  for place in
    select p.* from cluster_table p
    where one is null or p.cluster is not null or p.by_issue
    order by p.nth, p.name
  loop
    name := place.name;
    execute format('select count(*) from (%s) of_it',
        forgotten_rows(place, preview_forget.org_id is not null, one is not null, true))
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
