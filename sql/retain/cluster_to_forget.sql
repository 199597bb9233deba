create or replace function ccx.cluster_to_forget(org_id bigint, cluster text) returns text
language plpgsql immutable parallel safe
set search_path = public, ccx, pg_temp
as $$
begin
  if num_nonnulls(cluster_to_forget.org_id, nullif(cluster_to_forget.cluster, '')) = 0 then
    raise exception 'name an organization, a cluster, or both' using errcode = 'NTR05';
  end if;
  return nullif(cluster_to_forget.cluster, '');
end $$;

comment on function ccx.cluster_to_forget(bigint, text) is
  'The cluster that forget() and preview_forget() are about; null: everything of the organization. Raises '
  'NTR05 where neither is named.';
