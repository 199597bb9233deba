-- By when things became known here. The view noise asks it about the last seven days.
create or replace function noise_between(
  from_time timestamptz, to_time timestamptz default 'infinity', at timestamptz default now(),
  first_org bigint default null, last_org bigint default null
)
returns table (
  target text, component text, error_key text, notified bigint, clusters bigint, organizations bigint,
  sightings numeric, dedup_ratio numeric, occurrences bigint, flapping_issues bigint,
  gone_within_an_hour bigint, open_issues bigint
)
language sql stable parallel safe
begin atomic
  with occurred as (
    select i.rule_id,
      count(distinct i.id) filter (where coalesce(o.known_until >= to_time, true)) as open_issues,
      count(*) filter (where o.known_from > from_time) as occurrences,
      count(*) filter (where o.known_until < least(o.known_from + interval '1 hour', to_time))
        as gone_within_an_hour
    from occurrence o
    join issue i on i.id = o.issue_id
    where o.known_from < to_time and coalesce(o.known_until > from_time, true)
      and (first_org is null or i.org_id >= first_org) and (last_org is null or i.org_id <= last_org)
    group by i.rule_id
  ), flapped as (
    select p.target_id, i.rule_id, count(*) as flapping_issues
    from policy p
    join issue i on i.occurrence >= p.flapping_occurrences
    cross join lateral (
      select max(o.occurrence) as occurrence
      from occurrence o
      where o.issue_id = i.id and o.known_from < to_time
    ) latest
    where p.validity @> least(to_time, at) and num_nonnulls(p.org_id, p.rule_name) = 0
      and latest.occurrence >= p.flapping_occurrences
      and flapping_until(i.id, latest.occurrence, p.flapping_occurrences, p.flapping_window)
        > least(to_time, at)
      and (first_org is null or i.org_id >= first_org) and (last_org is null or i.org_id <= last_org)
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
        and r.updated_at >= greatest(o.opened_at, from_time)
        and r.updated_at < least(o.closed_at, to_time)
    ) seen
    where o.known_from < to_time and coalesce(o.known_until > from_time, true)
      and (first_org is null or i.org_id >= first_org) and (last_org is null or i.org_id <= last_org)
    group by i.rule_id
  ), notified as (
    -- a cluster that moved counts for each of its organizations
    select i.rule_id, n.target_id, count(*) as notified, count(distinct (i.org_id, i.cluster)) as clusters,
      count(distinct i.org_id) as organizations
    from notified_issue n
    join issue i on i.id = n.issue_id
    where n.live and not n.resolved and n.notified_at > from_time and n.notified_at < to_time
      and (first_org is null or i.org_id >= first_org) and (last_org is null or i.org_id <= last_org)
    group by i.rule_id, n.target_id
  )
  select
    t.name,
    r.component,
    r.error_key,
    coalesce(notified.notified, 0),
    coalesce(notified.clusters, 0),
    coalesce(notified.organizations, 0),
    s.sightings,
    round(1 - coalesce(notified.notified, 0) / nullif(s.sightings, 0), 4),
    o.occurrences,
    coalesce(f.flapping_issues, 0),
    o.gone_within_an_hour,
    o.open_issues
  from occurred o
  join rule r on r.id = o.rule_id
  cross join event_targets t
  left join sighted s on s.rule_id = o.rule_id
  left join flapped f on f.rule_id = o.rule_id and f.target_id = t.id
  left join notified on notified.rule_id = o.rule_id and notified.target_id = t.id;
end;

comment on function noise_between(timestamptz, timestamptz, timestamptz, bigint, bigint) is
  'How loud each rule was between two times (until now unless said), per target, as in the view noise; what '
  'is open or flaps is that at the end; first_org, last_org: only of these organizations. Retention bounds '
  'how far back it sees.';
