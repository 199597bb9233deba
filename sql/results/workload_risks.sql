-- A rule that many namespaces have is looked up once.
create or replace function ccx.workload_risks(
  org_id bigint, with_internal boolean, only_cluster text default null, only_namespace text default null
) returns table (cluster text, namespace_id text, recommendations bigint, highest smallint, by_risk jsonb)
language sql stable parallel safe
begin atomic
  with hit as materialized (
    select w.cluster, w.namespace_id, h.component, h.key, h.objects
    from org_workloads(workload_risks.org_id) w
    cross join lateral jsonb_to_recordset(w.hits) as h (component text, key text, objects integer)
    where only_cluster is null
      or w.cluster = only_cluster collate "C" and w.namespace_id = only_namespace collate "C"
  ), rule as materialized (
    select r.component, r.key, c.total_risk
    from (select distinct h.component, h.key from hit h) r
    left join lateral (
      select c.total_risk
      from rule_content c
      where c.python_module = rule_module(r.component) and c.error_key = r.key and upper_inf(c.validity)
      limit 1) c on true
    where with_internal or not is_internal(r.component)
  ), by_risk as materialized (
    select h.cluster, h.namespace_id, r.total_risk, count(*) as recommendations, sum(h.objects) as hits
    from hit h
    join rule r on r.component = h.component and r.key = h.key
    group by h.cluster, h.namespace_id, r.total_risk
  )
  select b.cluster, b.namespace_id, sum(b.recommendations)::bigint, coalesce(max(b.total_risk), 0)::smallint,
    coalesce(jsonb_object_agg(b.total_risk, b.hits) filter (where b.total_risk is not null), '{}')
  from by_risk b
  group by b.cluster, b.namespace_id;
end;

comment on function ccx.workload_risks(bigint, boolean, text, text) is
  'The namespaces of an organization, or one of them, about which there is something to show, with the '
  'number of their recommendations, the highest total risk (0: no content says one), and objects by '
  'total risk.';
