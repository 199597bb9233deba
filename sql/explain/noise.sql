create or replace view noise with (security_invoker = true) as
select n.*
from noise_between(now() - interval '7 days') n;

comment on view noise is
  'How loud each rule was in the last seven days, per target: how often it was notified, to whom, how many '
  'sightings that spared, what flaps; order by notified desc for the loudest.';
comment on column noise.target is 'the target';
comment on column noise.component is 'the rule, as reports spell it';
comment on column noise.error_key is 'which of the rule''s problems';
comment on column noise.notified is 'how many times an issue of it was notified';
comment on column noise.clusters is 'about how many clusters';
comment on column noise.organizations is 'to how many organizations';
comment on column noise.sightings is 'in how many reports it was';
comment on column noise.dedup_ratio is
  'share of the sightings that were not notified: 1 - notified / sightings';
comment on column noise.occurrences is 'how many times it appeared';
comment on column noise.flapping_issues is 'issues of it that flap now, by the target''s policy';
comment on column noise.gone_within_an_hour is 'how many times it went within an hour after it had appeared';
comment on column noise.open_issues is 'how many clusters have it now';
