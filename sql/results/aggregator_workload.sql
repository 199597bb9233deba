create or replace function ccx.aggregator_workload(org_id bigint, cluster text, namespace_id text)
  returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  return (
    select jsonb_build_object('status', 'ok', 'workloads',
      '{"status": ""}'
      || aggregator_namespace(w.cluster, w.namespace_id, w.name, w.recommendations, w.objects, w.reported_at,
        w.updated_at)
      || jsonb_build_object('recommendations', (
        select jsonb_agg(jsonb_build_object(
          'check', rule_id_of(r.component, r.error_key), 'details', '', 'resolution', '', 'modified', '',
          'more_info', '', 'extra_data', r.details, 'objects', r.objects) order by r.nth)
        from workload_recommendations(aggregator_workload.org_id, w.cluster, w.namespace_id) r)))
    from org_workloads(aggregator_workload.org_id) w
    where w.cluster = aggregator_workload.cluster collate "C"
      and w.namespace_id = aggregator_workload.namespace_id collate "C");
end $$;

comment on function ccx.aggregator_workload(bigint, text, text) is
  'One namespace of a cluster with its recommendations and their objects, without what content says. Null: '
  'there are none about it, or no such cluster.';
