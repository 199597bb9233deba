-- Of the policy and the content alone: cooldowns and silences pass, a policy stays. Issues that a narrower
-- policy decides stay as they are.
create or replace function ccx.policy_effect(
  id bigint, out held integer, out released integer, out open_issues integer
)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  with present as (
    select p, lower(p.validity) as since from policy p where p.id = policy_effect.id
  ), past as (
    select b as policy
    from present, policy b
    where b.target_id = (p).target_id and b.id <> (p).id
      and b.validity @> present.since - interval '1 microsecond'
      and (b.org_id is null or b.org_id = (p).org_id)
      and (b.rule_name is null or b.rule_name = (p).rule_name)
    order by b.org_id nulls last, b.rule_name nulls last
    limit 1
  ), judged as materialized (
    select r.id as rule_id, r.rule_name,
      policy_reasons(past.policy, c, true, null) = '{}' as notified_before,
      policy_reasons(present.p, c, true, null) = '{}' as notified
    from present
    cross join past
    join rule r on r.rule_name = coalesce((present.p).rule_name, r.rule_name)
    left join rule_content c on c.rule_name = r.rule_name and c.error_key = r.error_key
      and c.validity @> present.since
  ), turned as (
    select i.id, j.notified
    from judged j
    cross join present
    join issue i on i.rule_id = j.rule_id and i.closed_at is null
    where j.notified_before <> j.notified
      and ((present.p).org_id is null or i.org_id = (present.p).org_id)
      and not exists (
        select from policy n
        where n.target_id = (present.p).target_id and n.validity @> present.since
          and (n.org_id is null or n.org_id = i.org_id)
          and (n.rule_name is null or n.rule_name = j.rule_name)
          and (n.org_id is not null, n.rule_name is not null)
            > ((present.p).org_id is not null, (present.p).rule_name is not null))
  )
  select count(*) filter (where not t.notified)::integer, count(*) filter (where t.notified)::integer,
    (select count(*) from issue i where i.closed_at is null)::integer
  from turned t;
$$;

comment on function ccx.policy_effect(bigint) is
  'How many open issues this version of a policy holds that were to be notified before it, how many it '
  'releases, and how many open issues there are; whatever cooldowns and silences say.';
