create or replace function ccx.org_clusters(org_id bigint)
  returns table (cluster text, display_name text, managed boolean, status text, updated_at timestamptz,
    received_at timestamptz, cluster_version text)
language sql stable parallel safe
begin atomic
  select k.cluster, coalesce(g.display_name, k.cluster), coalesce(g.managed, false),
    coalesce(g.status, 'Active'), l.updated_at, l.received_at, l.cluster_version
  from (
    select l.cluster from latest_report l where l.org_id = org_clusters.org_id and l.left_at is null
    union
    select g.cluster from cluster_registry g where g.org_id = org_clusters.org_id
      -- registered here, but reporting for somebody else
      and not exists (
        select from latest_report o
        where o.cluster = g.cluster and o.org_id = g.org_id and o.left_at is not null)
  ) k
  left join latest_report l on l.cluster = k.cluster and l.org_id = org_clusters.org_id and l.left_at is null
  left join cluster_registry g on g.cluster = k.cluster and g.org_id = org_clusters.org_id
  where coalesce(g.status, '') <> all ('{Archived,Deprovisioned,Reserved}');
end;

comment on function ccx.org_clusters(bigint) is
  'The clusters of an organization: those that report, and those that the registry has, without those whose '
  'subscription is over.';
