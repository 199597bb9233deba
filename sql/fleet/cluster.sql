create or replace view fleet.cluster with (security_invoker = true) as
select (select c.name from cell c) as cell,
  l.org_id, l.cluster, l.updated_at, l.received_at, l.left_at, l.cluster_version
from latest_report l;

comment on view fleet.cluster is 'The clusters of this cell, each with the times of its newest report.';
comment on column fleet.cluster.cell is 'name of the cell';
comment on column fleet.cluster.org_id is 'organization that owns the cluster';
comment on column fleet.cluster.cluster is 'the cluster';
comment on column fleet.cluster.updated_at is 'time of its newest readable report';
comment on column fleet.cluster.received_at is 'when that report was stored';
comment on column fleet.cluster.left_at is 'when it left this organization; null: it is still there';
comment on column fleet.cluster.cluster_version is 'the version of OpenShift that the report names';
