-- What policy and content alone say about each issue. The narrowest policy wins: organization and rule,
-- organization, rule, target; but a target that is switched off is off for everybody.
--
-- Only joins by equality, no SET clause and nothing that is looked up row by row, so that the planner takes
-- it apart: a few probes for one cluster, hash joins by several workers for a fleet, however many policies
-- there are.
create or replace function ccx.verdict(target integer, at timestamptz, clusters text[] default null)
  returns setof issue_verdict
language sql stable parallel safe
begin atomic
  select
    i.id,
    i.org_id,
    i.cluster,
    r.component,
    r.error_key,
    r.rule_name,
    i.first_seen,
    c.id,
    c.total_risk,
    c.tags,
    -- evaluated when policy or content was written; now, where two transactions wrote them at the same time
    policy_reasons(p, c, wide.enabled, f.passes),
    p,
    wide.target_id
  from issue i
  join rule r on r.id = i.rule_id
  left join rule_content c
    on c.rule_name = r.rule_name and c.error_key = r.error_key
    and in_force(c.validity, at)
  join policy wide
    on wide.org_id is null and wide.rule_name is null
      and coalesce(wide.target_id = verdict.target, verdict.target is null)
    and in_force(wide.validity, at)
  left join policy by_rule
    on by_rule.target_id = wide.target_id and by_rule.rule_name = r.rule_name and by_rule.org_id is null
    and in_force(by_rule.validity, at)
  left join policy by_org
    on by_org.target_id = wide.target_id and by_org.org_id = i.org_id and by_org.rule_name is null
    and in_force(by_org.validity, at)
  left join policy by_both
    on by_both.target_id = wide.target_id and by_both.org_id = i.org_id and by_both.rule_name = r.rule_name
    and in_force(by_both.validity, at)
  -- there always is one; of a plain join by this expression the planner expects a match for one in 200 rows
  left join policy p on p.id = coalesce(by_both.id, by_org.id, by_rule.id, wide.id)
  left join filter_result f on f.policy_id = p.id and f.content_id = c.id
  where clusters is null or i.cluster = any (clusters);
end;

comment on function ccx.verdict(integer, timestamptz, text[]) is
  'Which policy and content decide about each issue, open or not, for this target (null: each of them) at '
  'this time, and the reasons that hold it whatever the cluster (clusters: only these).';
