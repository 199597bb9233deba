-- A cluster goes in one transaction: a report that arrives in the middle would otherwise meet half of it. An
-- organization goes a hundred clusters at a time, then what belongs to none of them. With the rights of the
-- owner: nobody else may delete from the ledger.
create or replace function forget(org_id bigint default null, cluster text default null)
returns table (name text, row_count bigint)
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  one constant text := cluster_to_forget(forget.org_id, forget.cluster);
  names text[];
begin
  names := case
    when one is not null then array[one]
    else array(select l.cluster from latest_report l where l.org_id = forget.org_id
      order by l.cluster limit 100)
  end;
  if names <> '{}' then
    return query
    select f.name, sum(f.row_count)::bigint
    from unnest(names) as n (cluster)
    cross join lateral forget_rows(forget.org_id, n.cluster, true) f
    group by f.name
    order by f.name;
  else
    return query select f.name, f.row_count from forget_rows(forget.org_id, null, true, 10000) f;
  end if;
end $$;
revoke execute on function forget(bigint, text) from public;

comment on function forget(bigint, text) is
  'Deletes an organization (the next part of it: call again until no row comes) or a cluster, wherever it '
  'is; returns how many rows of which table. Contents of archives follow (task tidy_archives). Raises NTR05.';
