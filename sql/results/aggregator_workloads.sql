create or replace function ccx.aggregator_workloads(org_id bigint, clusters text[] default null) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  return (
    select jsonb_build_object('status', 'ok', 'workloads', jsonb_agg(
      aggregator_namespace(w.cluster, w.namespace_id, w.name, w.recommendations, w.objects, w.reported_at,
        w.updated_at)
      || jsonb_build_object('recommendations_hit_count', (
        select jsonb_object_agg(h.rule, h.objects)
        from (
          select rule_id_of(h.component, h.key) as rule, sum(h.objects) as objects
          from jsonb_to_recordset(w.hits) as h (component text, key text, objects integer)
          group by 1
        ) h))
      order by w.cluster collate "C", w.namespace_id collate "C"))
    from org_workloads(aggregator_workloads.org_id) w
    where aggregator_workloads.clusters is null or w.cluster = any (aggregator_workloads.clusters));
end $$;

comment on function ccx.aggregator_workloads(bigint, text[]) is
  'The namespaces of an organization, or of these of its clusters, with the number of objects by rule; '
  'workloads is null where there are none.';
