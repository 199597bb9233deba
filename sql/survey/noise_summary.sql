create or replace view noise_summary with (security_invoker = true) as
select s.at, t.name as target, r.component, r.error_key, n.notified, n.clusters, n.organizations, n.sightings,
  round(1 - n.notified / nullif(n.sightings, 0), 4) as dedup_ratio, n.occurrences, n.flapping_issues,
  n.gone_within_an_hour, n.open_issues
from (select ccx.newest_survey('noise') as id offset 0) newest
join survey s on s.id = newest.id
join surveyed_noise n on n.survey_id = newest.id
join rule r on r.id = n.rule_id
join event_targets t on t.id = n.target_id;

comment on view noise_summary is
  'How loud each rule was in the seven days before the newest survey, per target; noise counts it anew.';
comment on column noise_summary.at is 'the moment of the survey';
comment on column noise_summary.target is 'the target';
comment on column noise_summary.component is 'the rule, as reports spell it';
comment on column noise_summary.error_key is 'which of the rule''s problems';
comment on column noise_summary.notified is 'how many times an issue of it was notified';
comment on column noise_summary.clusters is 'about how many clusters';
comment on column noise_summary.organizations is 'to how many organizations';
comment on column noise_summary.sightings is 'in how many reports it was';
comment on column noise_summary.dedup_ratio is
  'share of the sightings that were not notified: 1 - notified / sightings';
comment on column noise_summary.occurrences is 'how many times it appeared';
comment on column noise_summary.flapping_issues is 'issues of it that flapped, by the target''s policy';
comment on column noise_summary.gone_within_an_hour is
  'how many times it went within an hour after it had appeared';
comment on column noise_summary.open_issues is 'how many clusters had it';
