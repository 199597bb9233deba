create or replace view aggregator.report_info with (security_invoker = true) as
select l.org_id, l.cluster as cluster_id, l.cluster_version as version_info
from latest_report l
where l.left_at is null and l.cluster_version is not null;

comment on view aggregator.report_info is
  'The OpenShift version of each cluster in the form of the aggregator''s table; an insert goes to the '
  'newest report.';
comment on column aggregator.report_info.org_id is 'organization that owns the cluster';
comment on column aggregator.report_info.cluster_id is 'the cluster, in lower case';
comment on column aggregator.report_info.version_info is 'its OpenShift version, as the newest report has it';
