-- A policy with a change that nobody has made. The target-wide one also switches the target on or off for the
-- narrower ones. That of an organization is its own or, where it has none, a copy of the target-wide one, as
-- set_policy() makes it: it goes before the policies of rules, and behind the organization's own for a rule.
create or replace function ccx.changed_verdict(
  target integer, at timestamptz, change jsonb, org_id bigint default null
) returns setof issue_verdict
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
    policy_reasons(p.policy, c, case when changed_verdict.org_id is null then changed.enabled
      else wide.enabled end,
      case when p.is_stored then f.passes end),
    p.policy,
    v.target_id
  from policy wide
  left join policy own
    on own.target_id = wide.target_id and own.org_id = changed_verdict.org_id and own.rule_name is null
    and own.validity @> changed_verdict.at
  cross join lateral changed_policy(case when own.id is null then wide else own end, change, at) changed
  join verdict(target, at) v
    on v.target_id = wide.target_id and (changed_verdict.org_id is null or v.org_id = changed_verdict.org_id)
  join policy stored on stored.id = (v.policy).id
  cross join lateral (
    select k.is_stored, case when k.is_stored then stored else changed end as policy
    from (
      select case when changed_verdict.org_id is null then stored.id <> wide.id
        else num_nonnulls(stored.org_id, stored.rule_name) = 2 end as is_stored) k) p
  left join rule_content c on c.id = v.content_id
  left join filter_result f on f.policy_id = (v.policy).id and f.content_id = v.content_id
  where wide.target_id = target and wide.org_id is null and wide.rule_name is null and wide.validity @> at;
end;

comment on function ccx.changed_verdict(integer, timestamptz, jsonb, bigint) is
  'verdict(), with these settings (as for set_policy) changed of the target-wide policy, or of that of an '
  'organization, whose issues alone are judged then.';
