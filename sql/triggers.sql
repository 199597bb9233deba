-- Every trigger, on one page: what fires on which table. `ccx migrate` loads this page after all functions; a
-- trigger that has not changed is left alone, since creating one locks its table.

create or replace trigger _900_wake after insert on decision_request
  for each statement execute function tg_decision_request__wake();

create constraint trigger _900_send after insert on wake_up
  deferrable initially deferred
  for each row execute function tg_wake_up__send();

create or replace trigger _050_refers after insert on notified_issue
  referencing new table as changed
  for each statement execute function tg_notified_issue__refers();
create or replace trigger _060_refers after update of issue_id, content_id on notified_issue
  for each row execute function tg_notified_issue__refers();
create or replace trigger _050_referred after delete on issue
  referencing old table as gone
  for each statement execute function tg_notified_issue__referred();
create or replace trigger _060_referred after truncate on issue
  for each statement execute function tg_notified_issue__referred();
create or replace trigger _050_referred after delete on rule_content
  referencing old table as gone
  for each statement execute function tg_notified_issue__referred();
create or replace trigger _060_referred after truncate on rule_content
  for each statement execute function tg_notified_issue__referred();
create or replace trigger _100_superseded after insert on notified_issue
  referencing new table as changed
  for each statement execute function tg_notified_issue__superseded();
create or replace trigger _110_superseded after delete on notified_issue
  referencing old table as changed
  for each statement execute function tg_notified_issue__superseded();
create or replace trigger _120_superseded after update of notified_at on notified_issue
  for each row execute function tg_notified_issue__superseded();

create or replace trigger _900_announce after insert or update or delete or truncate on rule_content
  for each statement execute function tg_rule_content__announce();

create or replace trigger _200_filter_results after insert on policy
  referencing new table as added
  for each statement execute function tg_policy__filter_results();

create or replace trigger _200_filter_results after insert on rule_content
  referencing new table as added
  for each statement execute function tg_rule_content__filter_results();

create or replace trigger _200_issues after update of loaded_at on content_guard
  for each row when (not new.is_accepted) execute function tg_content_guard__issues();

create or replace trigger _100_history before update or delete on policy
  for each row execute function tg_policy__history();
create or replace trigger _110_withdrawn after delete on policy
  for each row execute function tg_policy__withdrawn();
create or replace trigger _120_history before truncate on policy
  for each statement execute function tg_policy__history();

create or replace trigger _100_rules after insert on acknowledgement
  referencing new table as added
  for each statement execute function tg_acknowledgement__rules();

create or replace trigger _100_acknowledgement after insert or delete or update of org_id, rule_id, error_key
  on rule_disable
  for each row execute function tg_rule_disable__acknowledgement();

create or replace trigger _100_acknowledgement after insert or delete or update on cluster_rule_toggle
  for each row execute function tg_cluster_rule_toggle__acknowledgement();
create or replace trigger _200_emptied after truncate on rule_disable
  for each statement execute function tg_acknowledgement__emptied();
create or replace trigger _200_emptied after truncate on cluster_rule_toggle
  for each statement execute function tg_acknowledgement__emptied();

create or replace trigger _100_kept before delete on retention
  for each row execute function tg_retention__kept();
create or replace trigger _110_kept before truncate on retention
  for each statement execute function tg_retention__kept();

-- Guards (room guard). On tables that are written all the time they name the columns, so that a claim or a
-- settlement does not call them.

create or replace trigger _010_guard before delete on silence
  for each row execute function tg_guard('a silence stays on record, end_silence() ends it');
create or replace trigger _011_guard before truncate on silence
  for each statement execute function tg_guard('a silence stays on record, end_silence() ends it');
create or replace trigger _012_guard before update on silence
  for each row
    execute function tg_guard('a silence stays on record, end_silence() ends it', ended_at, ended_by,
      in_force);
create or replace trigger _013_guard before update on silence
  for each row when (old.ended_at is not null) execute function tg_guard('it has ended');

create or replace trigger _010_guard before delete on acknowledgement
  for each row execute function tg_guard('the history of acknowledgements stays, unacknowledge() ends one');
create or replace trigger _011_guard before truncate on acknowledgement
  for each statement
    execute function tg_guard('the history of acknowledgements stays, unacknowledge() ends one');
create or replace trigger _012_guard before update on acknowledgement
  for each row
    execute function tg_guard('the history of acknowledgements stays, unacknowledge() ends one', period);

create or replace trigger _010_guard before delete on rule_content
  for each row execute function tg_guard('a version stays as it was, load_content() makes a new one');
create or replace trigger _011_guard before truncate on rule_content
  for each statement execute function tg_guard('a version stays as it was, load_content() makes a new one');
create or replace trigger _012_guard before update on rule_content
  for each row
    execute function tg_guard('a version stays as it was, load_content() makes a new one', validity,
      total_risk);
create or replace trigger _013_guard before update of validity on rule_content
  for each row when (lower(old.validity) is distinct from lower(new.validity) or not upper_inf(old.validity))
  execute function tg_guard('a version that has ended stays as it was');

create or replace trigger _010_guard before delete on withdrawn_policy
  for each row execute function tg_guard('what was withdrawn stays on record');
create or replace trigger _011_guard before truncate on withdrawn_policy
  for each statement execute function tg_guard('what was withdrawn stays on record');
create or replace trigger _012_guard before update on withdrawn_policy
  for each row execute function tg_guard('what was withdrawn stays on record');

create or replace trigger _010_guard before delete on notification
  for each row
    execute function tg_guard('the outbox is what customers were sent, retain() deletes what is past');
create or replace trigger _011_guard before truncate on notification
  for each statement
    execute function tg_guard('the outbox is what customers were sent, retain() deletes what is past');
create or replace trigger _012_guard
  before update of id, message_id, target_id, org_id, cluster, updated_at, decided_at, resolved, replay_of,
    traceparent
  on notification
  for each row when (
    (old.id, old.message_id, old.target_id, old.org_id, old.cluster, old.updated_at, old.decided_at,
    old.resolved, old.replay_of, old.traceparent)
    is distinct from
    (new.id, new.message_id, new.target_id, new.org_id, new.cluster, new.updated_at, new.decided_at,
    new.resolved, new.replay_of, new.traceparent))
  execute function tg_guard('what was decided stays, redrive() and replay() send again');

create or replace trigger _010_guard before delete on notified_issue
  for each row
    execute function tg_guard('without its ledger an issue is notified again, retain() deletes what is past');
create or replace trigger _011_guard before truncate on notified_issue
  for each statement
    execute function tg_guard('without its ledger an issue is notified again, retain() deletes what is past');
create or replace trigger _012_guard
  before update of notification_id, issue_id, target_id, notified_at, occurrence, content_id, policy_id,
    resolved
  on notified_issue
  for each row when (
    (old.notification_id, old.issue_id, old.target_id, old.notified_at, old.occurrence,
    old.content_id, old.policy_id, old.resolved)
    is distinct from
    (new.notification_id, new.issue_id, new.target_id, new.notified_at, new.occurrence,
    new.content_id, new.policy_id, new.resolved))
  execute function tg_guard('what was notified stays');

create or replace trigger _010_guard before delete on states
  for each row execute function tg_guard('other programs know these rows, a migration changes them');
create or replace trigger _011_guard before truncate on states
  for each statement execute function tg_guard('other programs know these rows, a migration changes them');
create or replace trigger _012_guard before update on states
  for each row when (old.* is distinct from new.*)
  execute function tg_guard('other programs know these rows, a migration changes them');

create or replace trigger _010_guard before delete on notification_types
  for each row execute function tg_guard('other programs know these rows, a migration changes them');
create or replace trigger _011_guard before truncate on notification_types
  for each statement execute function tg_guard('other programs know these rows, a migration changes them');
create or replace trigger _012_guard before update on notification_types
  for each row when (old.* is distinct from new.*)
  execute function tg_guard('other programs know these rows, a migration changes them');

create or replace trigger _010_guard before delete on event_targets
  for each row execute function tg_guard('other programs know these rows, a migration changes them');
create or replace trigger _011_guard before truncate on event_targets
  for each statement execute function tg_guard('other programs know these rows, a migration changes them');
create or replace trigger _012_guard before update on event_targets
  for each row when (old.* is distinct from new.*)
  execute function tg_guard('other programs know these rows, a migration changes them');

create or replace trigger _100_status_of_inserted after insert on analysis
  for each row when (new.request_id is not null and new.state = 'dead')
  execute function tg_analysis__status();
create or replace trigger _100_status after update on analysis
  for each row when (new.request_id is not null and (
    old.started_at is null and new.started_at is not null and new.state = 'waiting'
    or old.state is distinct from new.state and new.state in ('published', 'dead')))
  execute function tg_analysis__status();

create or replace trigger _100_stored instead of insert on aggregator.report
  for each row execute function tg_report__stored();
create or replace trigger _100_stored instead of insert on aggregator.report_info
  for each row execute function tg_report_info__stored();
create or replace trigger _100_stored instead of insert on aggregator.recommendation
  for each row execute function tg_recommendation__stored();
create or replace trigger _100_stored instead of insert on aggregator.cluster_rule_user_feedback
  for each row execute function tg_user_feedback__stored();
create or replace trigger _200_refuse_change instead of update or delete on aggregator.report
  for each row execute function tg_aggregator__refuse_change();
create or replace trigger _200_refuse_change instead of update or delete on aggregator.report_info
  for each row execute function tg_aggregator__refuse_change();
create or replace trigger _200_refuse_change instead of update or delete on aggregator.recommendation
  for each row execute function tg_aggregator__refuse_change();
create or replace trigger _200_refuse_change instead of update or delete
  on aggregator.cluster_rule_user_feedback
  for each row execute function tg_aggregator__refuse_change();

-- Last, since everybody writes these two, and nobody can from here to the end of the load.

create or replace trigger _010_spelling before insert on new_reports
  for each row when (new.cluster <> lower(new.cluster)) execute function tg_new_reports__spelling();
create or replace trigger _020_kept before update of org_id, cluster, updated_at on new_reports
  for each row when ((old.org_id, old.cluster, old.updated_at) is distinct from
    (new.org_id, new.cluster, new.updated_at)) execute function tg_new_reports__kept();
create or replace trigger _030_kept after delete on new_reports
  referencing old table as gone
  for each statement execute function tg_new_reports__kept();
create or replace trigger _100_issues_of_inserted after insert on new_reports
  referencing new table as arrived
  for each statement execute function tg_new_reports__issues();
create or replace trigger _100_issues_of_replaced after update on new_reports
  referencing new table as arrived
  for each statement execute function tg_new_reports__issues();

create or replace trigger _100_elsewhere after insert on reported
  for each row when (new.state = 1 and current_setting('ccx.recording', true) is distinct from 'on')
  execute function tg_reported__elsewhere();

create or replace trigger _100_apply after insert on fleet.applied
  for each row execute function ccx.tg_applied__apply();
