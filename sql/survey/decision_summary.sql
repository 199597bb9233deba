create or replace view decision_summary with (security_invoker = true) as
select s.at, d.grouped_by, d.name, t.name as target, d.decision, d.decisions, d.clusters, d.organizations
from (select ccx.newest_survey('decisions') as id offset 0) newest
join survey s on s.id = newest.id
join surveyed_decision d on d.survey_id = newest.id
left join event_targets t on t.id = d.target_id;

comment on view decision_summary is
  'What would have been notified, and what was held, counted by reason, rule and organization at the moment '
  'of the newest survey; decisions of now are in explain_notification.';
comment on column decision_summary.at is 'the moment';
comment on column decision_summary.grouped_by is 'reason, rule or organization';
comment on column decision_summary.name is
  'the reason (new: nothing held it), rule or organization; an issue that several reasons hold counts with '
  'each';
comment on column decision_summary.target is 'the target; null: all of them together';
comment on column decision_summary.decision is 'notify or hold';
comment on column decision_summary.decisions is 'how many decisions';
comment on column decision_summary.clusters is 'of how many clusters';
comment on column decision_summary.organizations is 'of how many organizations';
