-- The matrix. r select, a insert, w update, d delete, with the columns in brackets where it is not all of
-- them (the letters are those of \dp). Whoever adds a table adds a row; a test fails until then. What a role
-- has here it has for every row, unless organization_policy narrows it.
create or replace view ccx.table_right with (security_invoker = true) as
select t.name::text, r.role, r.letters
from (values
  -- name, ingest, decide, deliver, operator, reader, metrics, results
  ('ccx.archive_identity', 'r', '', 'r', '', '', '', ''),
  ('ccx.code_load', 'r', 'r', 'r', 'r', 'r', 'r', 'r'),
  ('ccx.code_object', 'r', 'r', 'r', 'r', '', 'r', 'r'),
  ('acknowledged_rule', '', 'r', 'r', 'r', 'r', '', 'r'),
  ('acknowledgement', '', 'r', 'r', 'r', 'r', '', 'r'),
  ('advisor_ratings', '', '', '', 'r', 'r', '', 'raw'),
  -- what is measured, without URLs that open an archive, identities, and what rules found
  ('analysis', 'rawd', 'r', 'r', 'rw', 'r',
    'r(id, topic, partition, kafka_offset, request_id, org_id, cluster, announced_at, received_at, state, '
    'attempts, next_attempt_at, started_at, downloaded_at, analyzed_at, ended_at, failure, redriven_at, '
    'archive_bytes, '
      'entries, hits)', ''),
  ('api_token', '', '', '', 'raw(revoked_at)', '', '', ''),
  ('archive', 'raw', 'r', 'rwd', 'r', 'r',
    'r(archive_id, request_id, org_id, cluster, service, category, content_type, size, store, duplicate_of, '
      'received_at, stored_at, removed_at, forgotten_at)', 'r'),
  ('archive_chunk', 'rad', '', 'rd', '', '', '', ''),
  ('archive_document', 'rad', '', '', 'r', '', '', ''),
  ('archive_limits', 'r', 'r', 'r', 'rw', 'r', 'r', ''),
  ('busy_hour', '', 'rawd', '', 'r', 'r', '', ''),
  ('cell', 'r', 'r', 'r', 'r', 'r', 'r', 'r'),
  ('circuit', '', 'rw', 'raw', 'rw',
    'r(target_id, failures, opened_at, retry_at, probe_until, failed_probes, last_failure, last_failed_at)',
      'r', ''),
  ('cluster_registry', '', 'rawd', '', 'rawd', 'r', '', 'r'),
  ('cluster_rule_toggle', '', 'r', 'r', 'raw', 'r', '', 'raw'),
  ('cluster_rule_user_feedback', '', '', '', 'r', 'r', '', 'raw'),
  ('cluster_user_rule_disable_feedback', '', '', '', 'r', 'r', '', 'raw'),
  ('console_act', '', '', '', 'ra', '', '', ''),
  ('consumer_offset', 'raw', 'r', 'r', 'r', '', 'r', ''),
  ('content_guard', '', 'rw', '', 'rw', 'r', 'r', ''),
  ('content_refusal', '', 'rawd', '', 'rawd', 'r', 'r', ''),
  ('decision_due', 'r', 'rawd', 'ra', 'raw', 'r', 'r', ''),
  ('decision_request', '', 'rawd', 'ra', 'ra', '', 'r', ''),
  ('disabled_elsewhere', '', 'rawd', '', '', '', '', ''),
  ('doubtful_text', '', 'r', 'raw', 'r', '', 'r', ''),
  ('event_targets', '', 'r', 'r', 'r', 'r', 'r', ''),
  ('filter_result', '', 'ra', 'r', 'ra', 'r', 'r', ''),
  ('fleet.applied', '', '', '', 'raw(result)', '', '', ''),
  ('issue', '', 'r', 'r', 'r', 'r', 'r', 'r'),
  ('kept_archive', 'rad', '', '', 'r', '', 'r', ''),
  ('latest_report', '', 'r', 'r', 'r', 'r', 'r', 'r'),
  ('migration_info', 'r', 'r', 'r', 'r', '', '', ''),
  ('new_reports', 'raw', 'raw', 'r', 'raw', 'r', 'r(org_id, cluster, updated_at, received_at)', 'r'),
  ('notification', '',
    'raw(attempts, next_attempt_at, leased_until, first_tried_at, state, ended_at, failure, last_error, '
    'may_be_out)',
    'rw(attempts, next_attempt_at, leased_until, first_tried_at, state, ended_at, failure, last_error, '
    'may_be_out, result)',
    'raw(state, ended_at, next_attempt_at, redriven_at, attempts_before)', 'r', 'r', ''),
  ('notification_types', '', 'r', 'r', 'r', 'r', '', ''),
  ('notified_count', '', 'rad', 'r', 'r', '', 'r', ''),
  ('notified_issue', '', 'raw(superseded_at, voided, cooldown_period, left_out, left_out_reasons)',
    'rw(superseded_at, voided, cooldown_period, left_out, left_out_reasons)',
    'raw(superseded_at, voided, cooldown_period, left_out, left_out_reasons)', 'r', 'r', ''),
  ('occurrence', '', 'r', 'r', 'r', 'r', 'r', 'r'),
  ('organization_reader', '', '', '', '', 'r', '', ''),
  ('policy', '', 'r', 'r', 'raw(validity, ended_by, end_reason)', 'r', 'r', ''),
  ('read_errors', 'r', 'r', '', 'r', 'r', 'r', ''),
  ('registry_source', '', 'raw', '', 'rawd', '', 'r', ''),
  ('rejected_message', 'raw(dead_letter_due_at, dead_lettered_at, dead_letter_error)', 'rw', '', 'rw', 'r',
    'r(id, topic, partition, kafka_offset, reason, received_at, org_id, retried_at, stored_at, retry_due_at, '
      'dead_letter_due_at, dead_lettered_at, dead_letter_error)', ''),
  ('renamed_rule', 'r', 'r', 'r', 'raw', 'r', '', 'r'),
  ('render_failure', '', 'r', 'ra', 'r', 'r', 'r', ''),
  ('reported', '', 'raw', 'raw', 'r', 'r', '', ''),
  ('reported_elsewhere', '', 'rad', '', 'r', '', '', ''),
  ('retention', '', 'r', 'r', 'rw', 'r', 'r', ''),
  ('rule', '', 'r', 'r', 'r', 'r', 'r', 'r'),
  ('rule_content', '', 'raw', 'r', 'raw', 'r', 'r', 'r'),
  ('rule_disable', '', 'r', 'r', 'rad', 'r', '', 'rawd'),
  ('rule_failure', 'rawd', '', '', 'r', '', 'r(analysis_id, component, reason, failed_at)', ''),
  ('rule_group', '', '', '', 'rawd', 'r', '', 'r'),
  ('severity', '', 'r', 'r', 'r', 'r', '', ''),
  ('side_by_side', 'r', 'r', 'r', 'rw', 'r', 'r', ''),
  ('silence', '', 'r', 'r', 'raw(ended_at, ended_by)', 'r', 'r', ''),
  ('sql_rule', 'rw', '', '', 'rawd', 'r', 'r', ''),
  ('states', '', 'r', 'r', 'r', 'r', '', ''),
  ('storm', '', 'ra', 'r', 'rw', 'r', 'r', ''),
  ('stuck_cluster', '', 'rawd', '', 'rw', 'r', 'r', ''),
  ('survey', '', 'rawd', '', 'raw', 'r', 'r', ''),
  ('survey_part', '', 'rawd', '', 'raw', 'r', 'r', ''),
  ('survey_schedule', '', 'r', '', 'rw', 'r', '', ''),
  ('surveyed_day', '', 'rawd', '', 'raw', 'r', '', ''),
  ('surveyed_decision', '', 'rawd', '', 'raw', 'r', '', ''),
  ('surveyed_noise', '', 'rawd', '', 'raw', 'r', '', ''),
  ('sweep_mark', '', 'rw', 'r', 'r', 'r', 'r', ''),
  ('upload_message', 'raw', 'r', 'rawd', 'rw', 'r', 'r', 'r'),
  ('wake_up', 'ra', 'ra', 'ra', 'ra', '', '', ''),
  ('withdrawn_policy', '', 'r', '', 'r', 'r', '', ''),
  ('workload_namespace', 'rawd', 'rawd', '', 'rawd', 'r', '', 'r'),
  ('workload_report', 'raw', 'raw', '', 'raw', 'r', '', 'r'),
  ('worker', '', 'rawd', 'rawd', 'r', '', 'r', '')
) as t (name, ingest, decide, deliver, operator, reader, metrics, results)
cross join lateral (values
  ('ccx_ingest', t.ingest), ('ccx_decide', t.decide), ('ccx_deliver', t.deliver),
    ('ccx_operator', t.operator),
  ('ccx_reader', t.reader), ('ccx_metrics', t.metrics), ('ccx_results', t.results),
  ('ccx_console', t.reader)
) as r (role, letters);

comment on view ccx.table_right is
  'What each role may do with each table: the matrix, one row for a table and a role.';
comment on column ccx.table_right.name is
  'the table; a partitioned one stands for its days, which no role may use directly';
comment on column ccx.table_right.role is 'the role';
comment on column ccx.table_right.letters is
  'r select, a insert, w update, d delete; columns in brackets where it is not all of them; empty: nothing';
