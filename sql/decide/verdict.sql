-- What the policy alone says about a rule, before anybody asks about a cluster: computed for a few hundred rules, not for
-- every issue. Organizations with a policy of their own have rows of their own (org_id), all others share those with
-- org_id null. The narrowest policy wins: organization and rule, organization, rule, target.
--
-- No SET clause, so that the planner can take it apart together with decide().
create or replace function verdict(target integer, at timestamptz)
returns table (
  org_id bigint, rule_id integer, policy_id bigint, content_id bigint, total_risk smallint, reasons text[],
  cooldown interval, spacing interval, allowed_clusters text[], blocked_clusters text[]
)
language sql stable parallel safe
begin atomic
  select
    scope.org_id,
    r.id,
    p.id,
    c.id,
    c.total_risk,
    array_remove(array[
      case when not p.enabled then 'target_disabled' end,
      case when c.id is null then 'no_content' end,
      case when c.status = 'inactive' then 'inactive' end,
      case when p.filter is null and (
          c.total_risk < p.total_risk_threshold or c.likelihood < p.likelihood_threshold
          or c.impact < p.impact_threshold or 0 < p.severity_threshold)
        then 'below_threshold' end,
      case when p.filter is not null and c.id is not null and f.passes is not true then 'filtered' end,
      case when not c.tags @> p.required_tags then 'missing_tag' end
    ], null),
    p.cooldown,
    p.spacing,
    p.allowed_clusters,
    p.blocked_clusters
  from (
    select null::bigint as org_id
    union all
    select distinct own.org_id
    from policy own
    where own.target_id = target and own.org_id is not null and own.validity @> at
  ) scope
  cross join rule r
  cross join lateral (
    select candidate.*
    from policy candidate
    where candidate.target_id = target
      and candidate.validity @> at
      and (candidate.org_id is null or candidate.org_id = scope.org_id)
      and (candidate.rule_name is null or candidate.rule_name = r.rule_name)
    order by candidate.org_id nulls last, candidate.rule_name nulls last
    limit 1
  ) p
  left join rule_content c
    on c.rule_name = r.rule_name and c.error_key = r.error_key and c.validity @> at
  left join filter_result f on f.policy_id = p.id and f.content_id = c.id;
end;

comment on function verdict(integer, timestamptz) is
  'Which policy and content decide about each rule for this target at this time, and the reasons that hold it whatever the cluster; org_id null stands for all organizations without a policy of their own.';
