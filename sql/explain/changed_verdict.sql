-- The target-wide policy with a change that nobody has made: it also switches the target on or off for the
-- narrower ones.
create or replace function ccx.changed_verdict(target integer, at timestamptz, change jsonb)
  returns setof issue_verdict
language sql stable
begin atomic
  select
    v.issue_id,
    v.org_id,
    v.cluster,
    v.component,
    v.error_key,
    v.rule_name,
    v.first_seen,
    v.content_id,
    v.total_risk,
    v.tags,
    policy_reasons(p.policy, c, changed.enabled, case when stored.id <> wide.id then f.passes end),
    p.policy,
    v.target_id
  from policy wide
  cross join lateral changed_policy(wide, change, at) changed
  join verdict(target, at) v on v.target_id = wide.target_id
  join policy stored on stored.id = (v.policy).id
  cross join lateral (select case stored.id when wide.id then changed else stored end as policy) p
  left join rule_content c on c.id = v.content_id
  left join filter_result f on f.policy_id = (v.policy).id and f.content_id = v.content_id
  where wide.target_id = target and wide.org_id is null and wide.rule_name is null and wide.validity @> at;
end;

comment on function ccx.changed_verdict(integer, timestamptz, jsonb) is
  'verdict(), with these settings (as for set_policy) of the target-wide policy changed.';
