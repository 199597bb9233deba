create or replace function ccx.shown_workloads(
  org_id bigint, with_internal boolean, only_cluster text default null, only_namespace text default null
) returns table (cluster text, namespace_id text, shown jsonb)
language plpgsql stable
set search_path = public, ccx, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
  return query
  with none as materialized (
    select coalesce(jsonb_object_agg(r.total_risk, 0), '{}') as by_risk
    from (
      select distinct c.total_risk from rule_content c
      where upper_inf(c.validity) and (with_internal or not is_internal(c.python_module))
    ) r
  )
  select w.cluster, w.namespace_id, jsonb_build_object(
    'cluster', jsonb_build_object('uuid', w.cluster, 'display_name', coalesce(g.display_name, w.cluster)),
    'namespace', jsonb_build_object('uuid', w.namespace_id, 'name', w.name),
    'metadata', jsonb_build_object(
      'recommendations', r.recommendations,
      -- those of internal rules are counted out where there are such
      'objects', case when r.recommendations = w.recommendations then w.objects::bigint else (
        select count(distinct o.uid)
        from workload_report f
        cross join lateral workload_objects(f.recommendations) o
        where f.cluster = w.cluster and o.namespace_id = w.namespace_id and not is_internal(o.component)) end,
      'reported_at', seconds_text(w.reported_at), 'last_checked_at', seconds_text(w.updated_at),
      'highest_severity', r.highest, 'hits_by_severity', none.by_risk || r.by_risk))
  from org_workloads(shown_workloads.org_id) w
  join workload_risks(shown_workloads.org_id, with_internal, only_cluster, only_namespace) r
    on r.cluster = w.cluster and r.namespace_id = w.namespace_id
  cross join none
  left join cluster_registry g on g.cluster = w.cluster and g.org_id = shown_workloads.org_id
  where coalesce(g.status, '') <> all ('{Archived,Deprovisioned,Reserved}')
    and (only_cluster is null
      or w.cluster = only_cluster collate "C" and w.namespace_id = only_namespace collate "C");
end $$;

comment on function ccx.shown_workloads(bigint, boolean, text, text) is
  'The namespaces of an organization, or one of them, as the public API shows them: cluster, namespace, '
  'metadata; without clusters whose subscription is over.';
