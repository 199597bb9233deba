-- What policy and content alone say about each issue. The narrowest policy wins: organization and rule, organization, rule,
-- target; but a target that is switched off is off for everybody.
--
-- Only joins by equality and no SET clause, so that the planner takes it apart: a few probes for one cluster, hash joins
-- for a fleet, however many policies there are.
create or replace function verdict(
  target integer, at timestamptz, clusters text[] default null, change jsonb default null
) returns setof issue_verdict
language sql stable parallel safe
begin atomic
  with in_force as materialized (
    select p as policy, p.* from policies_at(target, at, change) p
  )
  select
    i.id,
    i.org_id,
    i.cluster,
    r.component,
    r.error_key,
    r.rule_name,
    i.first_seen,
    p.id,
    c.id,
    c.total_risk,
    c.tags,
    array_remove(array[
      case when not wide.enabled then 'target_disabled' end,
      case when wide.enabled and not p.enabled then 'policy_disabled' end,
      case when c.id is null then 'no_content' end,
      case when c.status = 'inactive' then 'inactive' end,
      case when p.filter is null and (
          c.total_risk < p.total_risk_threshold or c.likelihood < p.likelihood_threshold
          or c.impact < p.impact_threshold or 0 < p.severity_threshold)
        then 'below_threshold' end,
      -- evaluated when policy or content was written; now, where two transactions wrote them at the same time
      case when p.filter is not null and c.id is not null
          and coalesce(f.passes, (filter_passes(narrowest.policy, c)).passes) is not true
        then 'filtered' end,
      case when not c.tags @> p.required_tags then 'missing_tag' end
    ], null),
    p.cooldown,
    p.spacing,
    p.allowed_clusters,
    p.blocked_clusters,
    p.flapping_occurrences,
    p.flapping_window,
    p.flapping_action,
    p.tell_resolved_since,
    p.max_events
  from issue i
  join rule r on r.id = i.rule_id
  join in_force wide on wide.org_id is null and wide.rule_name is null
  left join in_force by_rule on by_rule.org_id is null and by_rule.rule_name = r.rule_name
  left join in_force by_org on by_org.org_id = i.org_id and by_org.rule_name is null
  left join in_force by_both on by_both.org_id = i.org_id and by_both.rule_name = r.rule_name
  -- the row itself, not one more join by its id: of that the planner expected one in 200 policies for each issue, so with
  -- 2,000 of them it read all of latest_report for one cluster
  cross join lateral (
    select coalesce(by_both.policy, by_org.policy, by_rule.policy, wide.policy) as policy offset 0
  ) narrowest
  cross join lateral (select (narrowest.policy).*) p
  -- not `validity @> at`: of that the planner expects one row when `at` differs from row to row (backtest), and compares all
  -- rules with all content for every issue
  left join rule_content c
    on c.rule_name = r.rule_name and c.error_key = r.error_key
    and coalesce(lower(c.validity) <= at, true) and coalesce(upper(c.validity) > at, true)
  left join filter_result f on f.policy_id = p.id and f.content_id = c.id and change is null
  where clusters is null or i.cluster = any (clusters);
end;

comment on function verdict(integer, timestamptz, text[], jsonb) is
  'Which policy and content decide about each issue, open or not, at this time, and the reasons that hold it whatever the cluster (clusters: only these; change: see policies_at).';
