create or replace function ccx.org_workloads(org_id bigint)
  returns table (cluster text, namespace_id text, name text, reported_at timestamptz, updated_at timestamptz,
    recommendations integer, objects integer, hits jsonb)
language sql stable parallel safe
begin atomic
  select n.cluster, n.namespace_id, n.name, n.reported_at, w.updated_at, n.recommendations, n.objects, n.hits
  from workload_namespace n
  join workload_report w on w.cluster = n.cluster and w.org_id = n.org_id
  where n.org_id = org_workloads.org_id
    -- reporting for somebody else by now
    and not exists (
      select from latest_report l
      where l.cluster = n.cluster and l.org_id = n.org_id and l.left_at is not null);
end;

comment on function ccx.org_workloads(bigint) is
  'The namespaces with recommendations of an organization, in the clusters that are still its own.';
