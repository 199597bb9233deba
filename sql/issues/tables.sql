-- What the tables of this room and their columns hold; the tables themselves are in migrations/.

comment on table latest_report is
  'the newest readable report of each cluster; an older one that arrives late does not change it; written by '
  'issues, results, retain: retain() keeps its text when it drops its day, results notes a version';
comment on column latest_report.org_id is 'organization that owns the cluster';
comment on column latest_report.cluster is 'the cluster';
comment on column latest_report.updated_at is 'time of its newest report';
comment on column latest_report.previous_at is 'time of the newest report known before that one arrived';
comment on column latest_report.account_number is 'account number in the newest report';
comment on column latest_report.received_at is 'when the newest report arrived';
comment on column latest_report.left_at is
  'time of the report with which the cluster moved to another organization: its issues are closed for '
  'this one; null: it is this organization''s';
comment on column latest_report.moved_to is 'the organization that the cluster moved to';
comment on column latest_report.request_id is 'the upload of its newest report; null: not known';
comment on column latest_report.gathered_at is 'when the cluster gathered that; null: not known';
comment on column latest_report.cluster_version is 'OpenShift version in its newest report; null: not known';
comment on column latest_report.hits_hash is
  'hash of its hits by the names that rules had when it came (hits_hash(), names_hash()); null: read the '
  'next report whole';
comment on column latest_report.has_same_hits is
  'they are those of the report before it, so nothing came or went';
comment on column latest_report.report is
  'the newest report itself, once its day of new_reports is dropped; null: it is still there';

comment on table rule is 'every rule and error key that any report has named';
comment on column rule.id is 'number used in issue.rule_id';
comment on column rule.component is
  'the rule as reports spell it, for example ccx_rules_ocp.external.rules.x.report';
comment on column rule.error_key is 'which of the rule''s problems';
comment on column rule.rule_name is 'bare name of the rule, by which its content is found';

comment on table renamed_rule is
  'rules that go on under another name (rename_rule()): a report that still has the old name counts as one '
  'with the new; written by content, issues: a load that brings the old name back beside the new ends it';
comment on column renamed_rule.component is 'the rule as reports spelled it before';
comment on column renamed_rule.new_component is 'as they spell it now';
comment on column renamed_rule.old_name is 'bare name of the rule before';
comment on column renamed_rule.new_name is 'its bare name now';
comment on column renamed_rule.renamed_at is 'when it was renamed';
comment on column renamed_rule.renamed_by is 'database user who did';
comment on column renamed_rule.ended_at is
  'from when on the old name stands for a rule of its own again; null: it stands for the new name';

comment on table issue is
  'one row for each problem (rule and error key) that a cluster has or had; kept up to date as reports '
  'arrive; whoever changes it by hand sets latest_report.hits_hash to null, or reports with the same hits '
  'are passed over';
comment on column issue.id is 'number of the issue; it keeps it when it goes and comes back';
comment on column issue.org_id is 'organization that owns the cluster';
comment on column issue.cluster is 'the cluster';
comment on column issue.rule_id is 'which problem: rule and error key';
comment on column issue.first_seen is 'time of the first report that had it';
comment on column issue.opened_at is 'time of the report with which its present occurrence began';
comment on column issue.closed_at is 'time of the first report without it; null while it is open';
comment on column issue.occurrence is 'how many times it has appeared: 1 = new, more = gone and back';

comment on table occurrence is
  'every time an issue appeared and went: by the reports'' own time, and by when it became known here';
comment on column occurrence.issue_id is 'the issue';
comment on column occurrence.occurrence is '1 = new, more = gone and back';
comment on column occurrence.opened_at is 'time of the report with which it began';
comment on column occurrence.closed_at is 'time of the first report without it; null while it is open';
comment on column occurrence.known_from is
  'when the report with which it began had arrived; decisions at that time and later see it';
comment on column occurrence.known_until is
  'when the first report without it had arrived; decisions at that time and later see it gone';

comment on table read_errors is
  'errors that are detected during new reports collection; written by compat, issues: a clean-up deletes '
  'them';
comment on column read_errors.error_id is 'number of the error';
comment on column read_errors.org_id is 'organization of the report';
comment on column read_errors.cluster is 'cluster of the report';
comment on column read_errors.updated_at is
  'time of the report: the row of new_reports that could not be read (no foreign key, so that a day of '
  'reports can be dropped at once)';
comment on column read_errors.error_text is 'why the report could not be read';
comment on column read_errors.created_at is 'when that was noticed';
