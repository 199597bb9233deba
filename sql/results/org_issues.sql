-- Whether a rule is switched off is what decide() reads, acknowledgement, by the same rule: what the API
-- shows as disabled is what nobody is notified of. A query that calls this function takes it in, so that its
-- own conditions reach the indexes, and a column that it does not ask for costs nothing.
create or replace function ccx.org_issues(org_id bigint)
  returns table (cluster text, rule_id integer, component text, error_key text, module text,
    opened_at timestamptz, content_id bigint, total_risk smallint, tags text[], managed boolean,
    acked_since timestamptz,
    disabled_since timestamptz)
language sql stable parallel safe
begin atomic
  select i.cluster, r.id, r.component, r.error_key, rule_module(r.component), i.opened_at,
    c.id, c.total_risk, c.tags, coalesce(g.managed, false),
    (select min(lower(a.period))
     from acknowledgement a
     where a.cluster is null and a.rule_name = r.rule_name and a.org_id = i.org_id and upper_inf(a.period)
       and coalesce(a.error_key = r.error_key, true)),
    (select min(lower(a.period))
     from acknowledgement a
     where a.cluster = i.cluster and a.rule_name = r.rule_name and coalesce(a.org_id = i.org_id, true)
       and upper_inf(a.period) and coalesce(a.error_key = r.error_key, true))
  from issue i
  join rule r on r.id = i.rule_id
  left join rule_content c
    on c.python_module = rule_module(r.component) and c.error_key = r.error_key and c.rule_name = r.rule_name
    and upper_inf(c.validity)
  left join cluster_registry g on g.cluster = i.cluster and g.org_id = i.org_id
  where i.org_id = org_issues.org_id and i.closed_at is null;
end;

comment on function ccx.org_issues(bigint) is
  'The open issues of an organization with what the API asks of each: content in force (null: none), and '
  'since when its rule is acknowledged by the organization, or disabled for the cluster.';
