-- What the tables of this room and their columns hold; the tables themselves are in migrations/.

comment on table workload_report is
  'the newest message of each cluster about its workloads, from the topic that CCX_WORKLOADS_TOPIC names';
comment on column workload_report.cluster is 'cluster that the message is about (ClusterName)';
comment on column workload_report.org_id is 'organization that owns the cluster (OrgID)';
comment on column workload_report.updated_at is
  'the message''s own time (LastChecked); what is older changes nothing any more';
comment on column workload_report.received_at is 'when it arrived here';
comment on column workload_report.request_id is
  'the upload that it was made from (RequestId of the message); null: not known';
comment on column workload_report.recommendations is
  'Metrics.workload_recommendations of the message: an array of {component, key, details, workloads}';

comment on table workload_namespace is
  'the namespaces that a row of workload_report names, counted; kept by store_workloads()';
comment on column workload_namespace.cluster is 'the cluster that it is in';
comment on column workload_namespace.namespace_id is 'its UID';
comment on column workload_namespace.org_id is 'organization that owns the cluster';
comment on column workload_namespace.name is 'its name; empty: the message does not say it';
comment on column workload_namespace.reported_at is
  'time of the message since which it was in every one of its cluster';
comment on column workload_namespace.recommendations is 'how many recommendations are about objects of it';
comment on column workload_namespace.objects is 'how many different objects they are about';
comment on column workload_namespace.hits is
  'these recommendations: an array of {component, key, objects}, with the number of objects of each';
