-- Over the last seven days, by when things became known here.
create or replace view noise with (security_invoker = true) as
with occurred as (
  select i.rule_id,
    count(distinct i.id) filter (where o.known_until is null) as open_issues,
    count(*) filter (where o.known_from > now() - interval '7 days') as occurrences,
    count(*) filter (where o.known_until < o.known_from + interval '1 hour') as gone_within_an_hour
  from occurrence o
  join issue i on i.id = o.issue_id
  where o.known_until is null or o.known_until > now() - interval '7 days'
  group by i.rule_id
), flapped as (
  select p.target_id, i.rule_id, count(*) as flapping_issues
  from policy p
  join issue i on i.occurrence >= p.flapping_occurrences
  where p.validity @> now() and num_nonnulls(p.org_id, p.rule_name) = 0
    and flapping_until(i.id, i.occurrence, p.flapping_occurrences, p.flapping_window) > now()
  group by p.target_id, i.rule_id
), sighted as (
  -- an index-only count for each stretch of each issue
  select i.rule_id, sum(seen.reports) as sightings
  from occurrence o
  join issue i on i.id = o.issue_id
  cross join lateral (
    select count(*) as reports
    from new_reports r
    where r.org_id = i.org_id and r.cluster = i.cluster
      and r.updated_at >= greatest(o.opened_at, now() - interval '7 days')
      and r.updated_at < coalesce(o.closed_at, 'infinity')
  ) seen
  where o.known_until is null or o.known_until > now() - interval '7 days'
  group by i.rule_id
), notified as (
  select i.rule_id, n.target_id, count(*) as notified, count(distinct i.cluster) as clusters,
    count(distinct i.org_id) as organizations
  from notified_issue n
  join issue i on i.id = n.issue_id
  where n.live and not n.resolved and n.notified_at > now() - interval '7 days'
  group by i.rule_id, n.target_id
)
select
  t.name as target,
  r.component,
  r.error_key,
  coalesce(notified.notified, 0) as notified,
  coalesce(notified.clusters, 0) as clusters,
  coalesce(notified.organizations, 0) as organizations,
  s.sightings,
  round(1 - coalesce(notified.notified, 0) / nullif(s.sightings, 0), 4) as dedup_ratio,
  o.occurrences,
  coalesce(f.flapping_issues, 0) as flapping_issues,
  o.gone_within_an_hour,
  o.open_issues
from occurred o
join rule r on r.id = o.rule_id
cross join event_targets t
left join sighted s on s.rule_id = o.rule_id
left join flapped f on f.rule_id = o.rule_id and f.target_id = t.id
left join notified on notified.rule_id = o.rule_id and notified.target_id = t.id;

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
