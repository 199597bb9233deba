create or replace view ccx.shown_noise with (security_invoker = true) as
select now() as at, n.target, n.component, n.error_key, n.notified, n.clusters, n.organizations, n.sightings,
  n.dedup_ratio, n.occurrences, n.flapping_issues, n.gone_within_an_hour, n.open_issues
from noise n
where not ccx.fleet_is_surveyed()
union all
select s.at, s.target, s.component, s.error_key, s.notified, s.clusters, s.organizations, s.sightings,
  s.dedup_ratio, s.occurrences, s.flapping_issues, s.gone_within_an_hour, s.open_issues
from noise_summary s
where ccx.fleet_is_surveyed();

comment on view ccx.shown_noise is
  'How loud each rule was, as the console lists it: of a large fleet as the newest survey counted it, of a '
  'small one now.';
comment on column ccx.shown_noise.at is 'the moment that it is of';
comment on column ccx.shown_noise.target is 'the target';
comment on column ccx.shown_noise.component is 'the rule, as reports spell it';
comment on column ccx.shown_noise.error_key is 'which of the rule''s problems';
comment on column ccx.shown_noise.notified is 'how many times an issue of it was notified';
comment on column ccx.shown_noise.clusters is 'about how many clusters';
comment on column ccx.shown_noise.organizations is 'to how many organizations';
comment on column ccx.shown_noise.sightings is 'in how many reports it was';
comment on column ccx.shown_noise.dedup_ratio is
  'share of the sightings that were not notified: 1 - notified / sightings';
comment on column ccx.shown_noise.occurrences is 'how many times it appeared';
comment on column ccx.shown_noise.flapping_issues is 'issues of it that flapped, by the target''s policy';
comment on column ccx.shown_noise.gone_within_an_hour is
  'how many times it went within an hour after it had appeared';
comment on column ccx.shown_noise.open_issues is 'how many clusters had it';
