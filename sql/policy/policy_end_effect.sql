create or replace function ccx.policy_end_effect(
  id bigint, out held integer, out released integer, out open_issues integer
)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select coalesce(e.held, 0), coalesce(e.released, 0), coalesce(e.open_issues, 0)
  from (values (true)) always
  left join policy p on p.id = policy_end_effect.id
  left join lateral (
    select b as policy
    from policy b
    where b.target_id = p.target_id and b.id <> p.id and b.validity @> upper(p.validity)
      and (b.org_id is null or b.org_id = p.org_id)
      and (b.rule_name is null or b.rule_name = p.rule_name)
    order by b.org_id nulls last, b.rule_name nulls last
    limit 1) next on true
  left join lateral effect_between(p, next.policy, p, upper(p.validity)) e on (next.policy).id is not null;
$$;

comment on function ccx.policy_end_effect(bigint) is
  'How many open issues the end of this version of a policy holds, how many it releases, and how many open '
  'issues there are; whatever cooldowns and silences say.';
