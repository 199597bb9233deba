-- A rule that many namespaces have is spelled once.
create or replace function ccx.aggregator_workloads(org_id bigint, clusters text[] default null) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
  return (
    with shown as materialized (
      select w.*
      from org_workloads(aggregator_workloads.org_id) w
      where aggregator_workloads.clusters is null
        or w.cluster = any (aggregator_workloads.clusters collate "C")
    ), hit as materialized (
      select s.cluster, s.namespace_id, h.component, h.key, h.objects
      from shown s
      cross join lateral jsonb_to_recordset(s.hits) as h (component text, key text, objects integer)
    ), rule as materialized (
      select r.component, r.key, rule_id_of(r.component, r.key) as id
      from (select distinct h.component, h.key from hit h) r
    ), counted as (
      select c.cluster, c.namespace_id, jsonb_object_agg(c.id, c.objects) as hits
      from (
        select h.cluster, h.namespace_id, r.id, sum(h.objects) as objects
        from hit h
        join rule r on r.component = h.component and r.key = h.key
        group by h.cluster, h.namespace_id, r.id
      ) c
      group by c.cluster, c.namespace_id
    )
    select jsonb_build_object('status', 'ok', 'workloads', jsonb_agg(
      aggregator_namespace(s.cluster, s.namespace_id, s.name, s.recommendations, s.objects, s.reported_at,
        s.updated_at)
      || jsonb_build_object('recommendations_hit_count', c.hits)
      order by s.cluster collate "C", s.namespace_id collate "C"))
    from shown s
    join counted c on c.cluster = s.cluster and c.namespace_id = s.namespace_id);
end $$;

comment on function ccx.aggregator_workloads(bigint, text[]) is
  'The namespaces of an organization, or of these of its clusters, with the number of objects by rule; '
  'workloads is null where there are none.';
