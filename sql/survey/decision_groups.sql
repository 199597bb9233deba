-- An issue that several reasons hold is counted with each of them. Clusters are counted first, then their
-- organizations: `count(distinct …)` would sort every decision.
create or replace function ccx.decision_groups(
  at timestamptz, grouped_by text default null, target text default null,
  first_org bigint default null, last_org bigint default null, clusters text[] default null
)
returns table (
  grouped_by text, name text, target text, decision text,
  decisions bigint, clusters bigint, organizations bigint)
language sql stable parallel safe
begin atomic
  with answer as materialized (
    -- taken apart, its expressions would be evaluated wherever one is named
    select d.target_id, d.org_id, d.cluster, d.component, d.error_key, d.decision, d.reasons
    from decide(case when decision_groups.target is not null then target_id(decision_groups.target) end,
      decision_groups.at, $6) d
    where (decision_groups.first_org is null or d.org_id >= decision_groups.first_org)
      and (decision_groups.last_org is null or d.org_id <= decision_groups.last_org)
  ), of_cluster as materialized (
    select g.grouped_by, g.name, a.target_id, a.decision, a.org_id, a.cluster, count(*) as decisions
    from answer a
    cross join lateral (
      select 'reason' as grouped_by,
        unnest(case when a.decision = 'notify' then '{new}'::text[] else a.reasons end) as name
      where decision_groups.grouped_by is null or decision_groups.grouped_by = 'reason'
      union all
      select 'rule', rule_name(a.component) || '|' || a.error_key
      where decision_groups.grouped_by is null or decision_groups.grouped_by = 'rule'
      union all
      select 'organization', a.org_id::text
      where decision_groups.grouped_by is null or decision_groups.grouped_by = 'organization'
    ) g
    group by 1, 2, 3, 4, 5, 6
  ), of_organization as (
    select c.grouped_by, c.name, c.target_id, c.decision, c.org_id, sum(c.decisions) as decisions,
      count(*) as clusters
    from of_cluster c
    group by 1, 2, 3, 4, 5
    union all
    select c.grouped_by, c.name, null, c.decision, c.org_id, sum(c.decisions), count(*)
    from (
      select c.grouped_by, c.name, c.decision, c.org_id, c.cluster, sum(c.decisions) as decisions
      from of_cluster c
      group by 1, 2, 3, 4, 5
    ) c
    group by 1, 2, 4, 5
  )
  select o.grouped_by, o.name, t.name, o.decision, sum(o.decisions)::bigint, sum(o.clusters)::bigint, count(*)
  from of_organization o
  left join event_targets t on t.id = o.target_id
  group by 1, 2, 3, 4;
end;

comment on function ccx.decision_groups(timestamptz, text, text, bigint, bigint, text[]) is
  'Decisions at this time counted by reason, rule and organization (or one of these), for each target and '
  '(target null) all together, of the organizations from first_org to last_org (null: without a bound), and '
  'of these clusters only.';
