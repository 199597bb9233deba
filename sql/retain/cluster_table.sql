-- Where something stands that belongs to an organization or a cluster, in the order in which it can go: who
-- waits for a decision first, so that nobody decides meanwhile, then what refers to others before what it
-- refers to. Partitions are tables of their own here. What people made (`by_people`) outlives a cluster that
-- only stopped reporting. A test compares the list with the catalog.
create or replace view ccx.cluster_table with (security_invoker = true) as
select t.nth, coalesce(p.inhrelid::regclass::text, t.name) as name, t.org, t.cluster, t.by_issue, t.by_people
from (values
  (10, 'decision_due', 't.org_id = $1', 'cluster', false, false),
  (11, 'stuck_cluster', 't.org_id = $1', 'cluster', false, false),
  (20, 'notified_issue', null, null, true, false),
  (21, 'notification', 't.org_id = $1', 'cluster', false, false),
  (22, 'render_failure', null, null, true, false),
  (23, 'occurrence', null, null, true, false),
  (24, 'issue', 't.org_id = $1', 'cluster', false, false),
  (30, 'new_reports', 't.org_id = $1', 'cluster', false, false),
  (31, 'reported', 't.org_id = $1', 'cluster', false, false),
  (32, 'reported_elsewhere', 't.org_id = $1', 'cluster', false, false),
  (33, 'read_errors', 't.org_id = $1', 'cluster', false, false),
  (34, 'rejected_message', 't.org_id = $1', 'cluster', false, false),
  (35, 'workload_namespace', 't.org_id = $1', 'cluster', false, false),
  (36, 'workload_report', 't.org_id = $1', 'cluster', false, false),
  (40, 'analysis', 't.org_id = $1', 'cluster', false, false),
  (41, 'kept_archive', 't.org_id = $1', 'cluster', false, false),
  (42, 'upload_message', 't.org_id = $1',
    '(select a.cluster from archive a where a.archive_id = t.archive_id)', false, false),
  (43, 'archive', 't.org_id = $1', 'cluster', false, false),
  (50, 'cluster_rule_toggle', 't.org_id = $1::text', 'cluster_id', false, true),
  (51, 'cluster_rule_user_feedback', 't.org_id = $1', 'cluster_id', false, true),
  (52, 'cluster_user_rule_disable_feedback', 't.org_id = $1', 'cluster_id', false, true),
  (53, 'rule_disable', 't.org_id = $1::text', null, false, true),
  (54, 'advisor_ratings', 't.org_id = $1', null, false, true),
  (55, 'acknowledged_rule', 't.org_id = $1', 'cluster', false, true),
  (56, 'acknowledgement', 't.org_id = $1', 'cluster', false, true),
  (57, 'silence', 't.org_id = $1', 'cluster', false, true),
  (58, 'policy', 't.org_id = $1', null, false, true),
  (59, 'withdrawn_policy', 't.policy ->> ''org_id'' = $1::text', null, false, true),
  (60, 'cluster_registry', 't.org_id = $1', 'cluster', false, true),
  (61, 'api_token', 't.org_id = $1', null, false, true),
  (62, 'organization_reader', 't.org_id = $1', null, false, true),
  -- what went of the above asked for decisions
  (69, 'decision_request', 't.org_id = $1', 'cluster', false, false),
  -- last: while it is there, a cluster that stopped reporting is found again
  (70, 'latest_report', 't.org_id = $1', 'cluster', false, false)
) as t (nth, name, org, cluster, by_issue, by_people)
left join pg_inherits p on t.name in ('new_reports', 'reported') and p.inhparent = to_regclass(t.name);

comment on view ccx.cluster_table is
  'The tables whose rows belong to an organization or a cluster, in the order in which forget() empties '
  'them.';
comment on column ccx.cluster_table.nth is 'the order';
comment on column ccx.cluster_table.name is 'the table; a partition by its own name';
comment on column ccx.cluster_table.org is
  'the condition that a row is of the organization $1; null: by_issue';
comment on column ccx.cluster_table.cluster is
  'what of a row names the cluster; null: by_issue, or the row is about the whole organization';
comment on column ccx.cluster_table.by_issue is 'the row belongs to whom its issue belongs to';
comment on column ccx.cluster_table.by_people is
  'made by people, about the organization or the cluster: it stays when a cluster only stops reporting';
