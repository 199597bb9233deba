-- The only place that says notify or hold. The live path, the views and every simulation call it.
--
-- One `language sql` query without a SET clause, so that the planner takes it apart: `where cluster = …` on a view
-- above it reaches the index of issue, and a fleet gets hash joins. (With `set search_path` it would be a black box
-- that computes every cluster first; `begin atomic` binds names when it is created, which is as safe.)
create or replace function decide(target integer, at timestamptz) returns setof decision
language sql stable parallel safe
begin atomic
  select
    p.target_id,
    i.org_id,
    i.cluster,
    i.id,
    r.component,
    r.error_key,
    i.occurrence,
    i.first_seen,
    l.updated_at,
    c.total_risk,
    case when cardinality(by_policy.reasons) = 0 and not cooling.down then 'notify' else 'hold' end,
    by_policy.reasons || case when cooling.down then array['cooldown'] else '{}' end,
    cardinality(by_policy.reasons) = 0,
    told.told_at,
    cooldown_end(told.told_at, p.cooldown),
    p.id,
    c.id
  from policy p
  join issue i on i.closed_at is null
  join latest_report l on l.org_id = i.org_id and l.cluster = i.cluster
  join rule r on r.id = i.rule_id
  left join rule_content c
    on c.rule_name = r.rule_name and c.error_key = r.error_key and c.validity @> at
  left join lateral (
    select n.told_at
    from notified_issue n
    where n.issue_id = i.id and n.target_id = p.target_id and n.live and n.told_at <= at
    order by n.told_at desc
    limit 1
  ) told on true
  cross join lateral (
    select array_remove(array[
      case when not p.enabled then 'target_disabled' end,
      case when c.id is null then 'no_content' end,
      case when c.status = 'inactive' then 'inactive' end,
      case when c.total_risk < p.total_risk_threshold then 'below_threshold' end,
      case when not c.tags @> p.required_tags then 'missing_tag' end
    ], null) as reasons
  ) by_policy
  cross join lateral (
    select coalesce(cooldown_end(told.told_at, p.cooldown) > at, false) as down
  ) cooling
  where p.target_id = target
    and p.validity @> at;
end;

comment on function decide(integer, timestamptz) is
  'Notify or hold, with every reason: one row for each open issue, for this target at this time. Reads only; same inputs, same answer.';
