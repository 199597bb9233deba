-- Nobody can take a message back: where a mistake in content, in a policy or in a rule would notify the
-- fleet, the first clusters up to a limit are notified, and the others wait for a person.
--
-- Clusters beyond the limit go back to those that are due, whole, and a storm begins: their next decision
-- finds it. So no decision says one thing and does another, and explain_at() keeps its answer.
--
-- Nearly always no limit is near, and one look at the counts is all. Else decide() is asked twice. Two
-- sessions do not see what the other one is about to notify: together they go beyond a limit by a batch
-- each at most.
create or replace function ccx.brake(
  at timestamptz, inout orgs bigint[], inout names text[], inout by_report boolean[]
)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  beyond_orgs bigint[];
  beyond_names text[];
  began_targets integer[];
  began_rules text[];
  began_limits integer[];
  began_notified integer[];
begin
  if not exists (
    select from storm_limits(brake.at) l
    where cardinality(orgs) > least(
      l.rule_limit - coalesce((
        select max(n.clusters) from notified_lately(brake.at) n
        where n.target_id = l.target_id and n.rule_name is not null), 0),
      l.target_limit - coalesce((
        select n.clusters from notified_lately(brake.at) n
        where n.target_id = l.target_id and n.rule_name is null), 0)))
  then
    return;
  end if;

  -- `execute`, so that it is planned for these clusters (decide_due())
  execute $query$
    with counted as materialized (
      select l.target_id, n.rule_name, n.clusters
      from storm_limits($1) l
      join notified_lately($1) n on n.target_id = l.target_id
    ), to_notify as materialized (
      select distinct d.target_id, rule_name(d.component) as rule_name, d.org_id, d.cluster
      from decide(null, $1, $3) d
      join unnest($2, $3) as due (org_id, cluster) on due.org_id = d.org_id and due.cluster = d.cluster
      where d.decision = 'notify'
    ), of_rule as materialized (
      select t.*, l.rule_limit, l.target_limit,
        row_number() over (partition by t.target_id, t.rule_name order by t.cluster, t.org_id)
          > l.rule_limit - coalesce(c.clusters, 0) as is_beyond
      from to_notify t
      join storm_limits($1) l on l.target_id = t.target_id
      left join counted c on c.target_id = t.target_id and c.rule_name = t.rule_name
      where not exists (
        select from released_storms($1) s where s.target_id = t.target_id and s.rule_name = t.rule_name)
    ), of_target as materialized (
      select t.target_id, t.org_id, t.cluster, t.target_limit,
        row_number() over (partition by t.target_id order by t.cluster, t.org_id)
          > t.target_limit - coalesce(c.clusters, 0) as is_beyond
      from (
        select r.target_id, r.org_id, r.cluster, r.target_limit
        from of_rule r
        group by r.target_id, r.org_id, r.cluster, r.target_limit
        having not bool_or(r.is_beyond)
      ) t
      left join counted c on c.target_id = t.target_id and c.rule_name is null
      where not exists (
        select from released_storms($1) s where s.target_id = t.target_id and s.rule_name is null)
    ), beyond as materialized (
      select r.target_id, r.rule_name, r.org_id, r.cluster, r.rule_limit as cluster_limit
      from of_rule r
      where r.is_beyond
      union all
      select t.target_id, null, t.org_id, t.cluster, t.target_limit
      from of_target t
      where t.is_beyond
    ), back as materialized (
      select distinct b.org_id, b.cluster from beyond b
    ), began as (
      select b.target_id, b.rule_name, b.cluster_limit,
        coalesce((
          select c.clusters from counted c
          where c.target_id = b.target_id and c.rule_name is not distinct from b.rule_name), 0)
        + (select count(distinct (r.org_id, r.cluster)) from of_rule r
          where r.target_id = b.target_id and coalesce(r.rule_name = b.rule_name, true)
            and not exists (select from back where back.org_id = r.org_id and back.cluster = r.cluster))
          as notified
      from (select distinct b.target_id, b.rule_name, b.cluster_limit from beyond b) b
    )
    select
      (select array_agg(back.org_id order by back.cluster, back.org_id) from back),
      (select array_agg(back.cluster order by back.cluster, back.org_id) from back),
      array_agg(b.target_id), array_agg(b.rule_name), array_agg(b.cluster_limit), array_agg(b.notified)
    from began b
  $query$
  into beyond_orgs, beyond_names, began_targets, began_rules, began_limits, began_notified
  using at, orgs, names;
  if beyond_orgs is null then
    return;
  end if;

  insert into storm (target_id, rule_name, began_at, cluster_limit, notified)
  select b.target_id, b.rule_name, brake.at, b.cluster_limit, b.notified
  from unnest(began_targets, began_rules, began_limits, began_notified)
    as b (target_id, rule_name, cluster_limit, notified)
  order by b.target_id, b.rule_name
  -- another session met the limit, too
  on conflict do nothing;

  perform mark_due(array_agg(d.org_id), array_agg(d.cluster), array_agg(d.by_report))
  from unnest(orgs, names, by_report) as d (org_id, cluster, by_report)
  where (d.org_id, d.cluster) in (select * from unnest(beyond_orgs, beyond_names));

  select coalesce(array_agg(d.org_id), '{}'), coalesce(array_agg(d.cluster), '{}'),
    coalesce(array_agg(d.by_report), '{}')
  into orgs, names, by_report
  from unnest(orgs, names, by_report) as d (org_id, cluster, by_report)
  where (d.org_id, d.cluster) not in (select * from unnest(beyond_orgs, beyond_names));
end $$;

comment on function ccx.brake(timestamptz, bigint[], text[], boolean[]) is
  'Takes clusters (three arrays, position by position) out of a decision that would notify more of them than '
  'storm_share allows; they are due again, and a storm begins.';
