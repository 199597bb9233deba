-- The only place that says notify or hold. The live path, the views and every simulation call it.
--
-- One `language sql` query without a SET clause, so that the planner takes it apart: `where cluster = …` on a view
-- above it reaches the index of issue, and a fleet gets hash joins. (With `set search_path` it would be a black box
-- that computes every cluster first; `begin atomic` binds names when it is created, which is as safe.)
create or replace function decide(target integer, at timestamptz, clusters text[] default null) returns setof decision
language sql stable parallel safe
begin atomic
  with verdict as materialized (
    select * from verdict(target, at)
  )
  select
    target,
    i.org_id,
    i.cluster,
    i.id,
    r.component,
    r.error_key,
    i.occurrence,
    i.first_seen,
    l.updated_at,
    v.total_risk,
    case when cardinality(v.reasons) = 0 and cardinality(held.reasons) = 0 then 'notify' else 'hold' end,
    v.reasons || held.reasons,
    cardinality(v.reasons) = 0 and not held.by_cluster_list,
    told.told_at,
    greatest(cooldown_end(told.told_at, v.cooldown), cooldown_end(spaced.decided_at, v.spacing)),
    v.policy_id,
    v.content_id,
    silenced.silence_id,
    acked.acknowledgement_id
  from issue i
  join latest_report l on l.org_id = i.org_id and l.cluster = i.cluster
  join rule r on r.id = i.rule_id
  left join verdict everybody on everybody.rule_id = i.rule_id and everybody.org_id is null
  left join verdict own on own.rule_id = i.rule_id and own.org_id = i.org_id
  cross join lateral (
    select
      coalesce(own.policy_id, everybody.policy_id) as policy_id,
      coalesce(own.content_id, everybody.content_id) as content_id,
      coalesce(own.total_risk, everybody.total_risk) as total_risk,
      coalesce(own.reasons, everybody.reasons) as reasons,
      coalesce(own.cooldown, everybody.cooldown) as cooldown,
      coalesce(own.spacing, everybody.spacing) as spacing,
      case when own.policy_id is null then everybody.allowed_clusters else own.allowed_clusters end as allowed_clusters,
      case when own.policy_id is null then everybody.blocked_clusters else own.blocked_clusters end as blocked_clusters
  ) v
  left join lateral (
    select n.told_at
    from notified_issue n
    where n.issue_id = i.id and n.target_id = target and n.live and n.told_at <= at
    order by n.told_at desc
    limit 1
  ) told on true
  left join lateral (
    select n.decided_at
    from notification n
    where v.spacing > interval '0'
      and n.cluster = i.cluster and n.org_id = i.org_id and n.target_id = target
      and n.state <> 'dead' and n.decided_at <= at
    order by n.decided_at desc
    limit 1
  ) spaced on true
  left join lateral (
    select min(s.id) as silence_id
    from silence s
    left join rule_content tagged on tagged.id = v.content_id
    where s.in_force @> at
      and silence_matches(s, i.org_id, i.cluster, r.rule_name, r.error_key, tagged.tags)
  ) silenced on true
  left join lateral (
    select min(a.id) as acknowledgement_id, bool_or(a.cluster is null) as by_org, bool_or(a.cluster is not null) as by_cluster
    from acknowledgement a
    where a.rule_name = r.rule_name
      and a.period @> at
      and (a.org_id is null or a.org_id = i.org_id)
      and (a.cluster is null or a.cluster = i.cluster)
      and (a.error_key is null or a.error_key = r.error_key)
  ) acked on true
  cross join lateral (
    select
      array_remove(array[
        case when i.cluster <> all (v.allowed_clusters) then 'cluster_not_allowed' end,
        case when i.cluster = any (v.blocked_clusters) then 'cluster_blocked' end,
        case when silenced.silence_id is not null then 'silenced' end,
        case when acked.by_org then 'acked' end,
        case when acked.by_cluster then 'disabled' end,
        case when cooldown_end(told.told_at, v.cooldown) > at then 'cooldown' end,
        case when cooldown_end(spaced.decided_at, v.spacing) > at then 'spacing' end
      ], null) as reasons,
      coalesce(i.cluster <> all (v.allowed_clusters) or i.cluster = any (v.blocked_clusters), false) as by_cluster_list
  ) held
  where i.closed_at is null
    and (clusters is null or i.cluster = any (clusters))
    and v.policy_id is not null;
end;

comment on function decide(integer, timestamptz, text[]) is
  'Notify or hold, with every reason: one row for each open issue, for this target at this time (clusters: only these). Reads only; same inputs, same answer.';
