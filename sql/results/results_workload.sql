create or replace function ccx.results_workload(
  org_id bigint, cluster text, namespace_id text, with_internal boolean default false
) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  return (
    select '{"status": "ok"}' || w.shown || jsonb_build_object('recommendations', (
      select coalesce(jsonb_agg(
        jsonb_build_object(
          'check', rule_id_of(r.component, r.error_key), 'details', c.description,
          'resolution', c.resolution, 'more_info', c.more_info, 'reason', c.reason,
          'total_risk', c.total_risk, 'objects', r.objects,
          'extra_data', case jsonb_typeof(r.details) when 'object' then r.details else '{}' end)
        || jsonb_strip_nulls(jsonb_build_object('modified', seconds_text(c.publish_date)))
        order by r.nth), '[]')
      from workload_recommendations(w.org_id, w.cluster, w.namespace_id) r
      cross join lateral (
        select c.*
        from rule_content c
        where c.python_module = rule_module(r.component) and c.error_key = r.error_key
          and upper_inf(c.validity)
        limit 1) c
      where with_internal or not is_internal(r.component)))
    from (
      select results_workload.org_id, s.*
      from shown_workloads(results_workload.org_id, with_internal, results_workload.cluster,
        results_workload.namespace_id) s
    ) w);
end $$;

comment on function ccx.results_workload(bigint, text, text, boolean) is
  'One namespace of a cluster with its recommendations: what their content says, and the objects. Those '
  'without content are counted only. Null: there are none about it, or no such cluster.';
