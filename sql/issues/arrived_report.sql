-- A type, so that tg_new_reports__issues() can hand reports to advance_latest_reports() in a variable.
create type ccx.arrived_report as (
  org_id bigint,
  cluster text collate "C",
  updated_at timestamptz,
  received_at timestamptz,
  account_number bigint,
  request_id text,
  gathered_at timestamptz,
  cluster_version text,
  hits_hash bigint
);

comment on type ccx.arrived_report is 'a report that arrived, without its text';
comment on column ccx.arrived_report.org_id is 'organization that owns the cluster';
comment on column ccx.arrived_report.cluster is 'the cluster';
comment on column ccx.arrived_report.updated_at is 'time of the report';
comment on column ccx.arrived_report.received_at is 'when the report arrived';
comment on column ccx.arrived_report.account_number is 'account number in the report';
comment on column ccx.arrived_report.request_id is 'the upload of the report';
comment on column ccx.arrived_report.gathered_at is 'when that was gathered';
comment on column ccx.arrived_report.cluster_version is 'OpenShift version in the report';
comment on column ccx.arrived_report.hits_hash is
  'as latest_report has it; null: the report does not count, since nobody can read it, or it is of the '
  'future';
