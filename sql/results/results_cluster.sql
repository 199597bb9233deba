create or replace function ccx.results_cluster(org_id bigint, cluster text) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  return (
    select json_build_object('status', 'ok', 'cluster', json_build_object(
      'cluster_id', k.cluster, 'display_name', k.display_name, 'managed', k.managed, 'status', k.status))
    from org_clusters(results_cluster.org_id) k
    where k.cluster = results_cluster.cluster collate "C");
end $$;

comment on function ccx.results_cluster(bigint, text) is
  'Name and state of a cluster. Null: the organization has no such cluster.';
