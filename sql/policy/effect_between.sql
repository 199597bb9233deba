-- Of the policy and the content alone: cooldowns and silences pass, a policy stays. Issues that a narrower
-- policy decides stay as they are.
create or replace function ccx.effect_between(
  before policy, after policy, scope policy, at timestamptz,
  out held integer, out released integer, out open_issues integer
)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  with judged as materialized (
    select r.id as rule_id, r.rule_name,
      policy_reasons(before, c, true, null) = '{}' as notified_before,
      policy_reasons(after, c, true, null) = '{}' as notified
    from rule r
    left join rule_content c on c.rule_name = r.rule_name and c.error_key = r.error_key
      and c.validity @> effect_between.at
    where r.rule_name = coalesce((scope).rule_name, r.rule_name)
  ), turned as (
    select i.id, j.notified
    from judged j
    join issue i on i.rule_id = j.rule_id and i.closed_at is null
    where j.notified_before <> j.notified
      and ((scope).org_id is null or i.org_id = (scope).org_id)
      and not exists (
        select from policy n
        where n.target_id = (scope).target_id and n.validity @> effect_between.at
          and (n.org_id is null or n.org_id = i.org_id)
          and (n.rule_name is null or n.rule_name = j.rule_name)
          and (n.org_id is not null, n.rule_name is not null)
            > ((scope).org_id is not null, (scope).rule_name is not null))
  )
  select count(*) filter (where not t.notified)::integer, count(*) filter (where t.notified)::integer,
    (select count(*) from issue i where i.closed_at is null)::integer
  from turned t;
$$;

comment on function ccx.effect_between(policy, policy, policy, timestamptz) is
  'How many open issues of this scope are held, and how many released, when one version of a policy takes '
  'the place of another, whatever cooldowns and silences say.';
