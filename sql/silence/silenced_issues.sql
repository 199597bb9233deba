-- Three questions of which one is asked, and the rules beforehand: the planner cannot look up by index what a
-- silence may leave out, and would read the open issues of the whole fleet for a silence of one cluster.
create or replace function ccx.silenced_issues(silence silence, at timestamptz)
returns table (org_id bigint, cluster text, component text, error_key text, first_seen timestamptz)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select i.org_id, i.cluster, r.component, r.error_key, i.first_seen
  from (
    select o.org_id, o.cluster, o.rule_id, o.first_seen
    from issue o
    where o.closed_at is null and o.cluster = (silence).cluster
      and coalesce(o.org_id = (silence).org_id, true)
    union all
    select o.org_id, o.cluster, o.rule_id, o.first_seen
    from issue o
    where o.closed_at is null and (silence).cluster is null and o.org_id = (silence).org_id
    union all
    select o.org_id, o.cluster, o.rule_id, o.first_seen
    from issue o
    where o.closed_at is null and num_nonnulls((silence).cluster, (silence).org_id) = 0
  ) i
  join rule r on r.id = i.rule_id
  where i.rule_id = any (array(
    select k.id
    from rule k
    left join rule_content c
      on c.rule_name = k.rule_name and c.error_key = k.error_key and c.validity @> at
    where silence_matches(silence, (silence).org_id, (silence).cluster, k.rule_name, k.error_key, c.tags)));
$$;

comment on function ccx.silenced_issues(silence, timestamptz) is 'The open issues that a silence holds.';
