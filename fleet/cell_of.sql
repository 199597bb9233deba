-- An answer without rows would say that the cluster has no issue: where nobody is known to have it, this
-- raises.
create or replace function fleet.cell_of(cluster text) returns text
language plpgsql stable strict parallel safe
set search_path = public, ccx, pg_temp
as $$
declare
  found_cell text;
begin
  select c.name into found_cell from fleet.cell c where c.buckets @> bucket_of(cell_of.cluster);
  if not found then
    raise exception 'no attached cell has the bucket % of this cluster', bucket_of(cell_of.cluster)
      using errcode = 'NTZ10';
  end if;
  return found_cell;
end $$;

comment on function fleet.cell_of(text) is
  'The cell that has a cluster: `where cell = fleet.cell_of(CLUSTER)` asks that one only. Raises NTZ10 where '
  'no attached cell has it; null for null.';
