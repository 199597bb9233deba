-- Every trigger, on one page: what fires on which table. `ccx migrate` loads this page after all functions; a
-- trigger that has not changed is left alone, since creating one locks its table.

create or replace trigger _900_wake after insert on decision_request
  for each statement execute function tg_decision_request__wake();

create constraint trigger _900_send after insert on wake_up
  deferrable initially deferred
  for each row execute function tg_wake_up__send();

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

create or replace trigger _200_filter_results after insert on policy
  referencing new table as added
  for each statement execute function tg_policy__filter_results();

create or replace trigger _200_filter_results after insert on rule_content
  referencing new table as added
  for each statement execute function tg_rule_content__filter_results();

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
