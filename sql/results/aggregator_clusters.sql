create or replace function ccx.aggregator_clusters(org_id bigint, clusters text[]) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
  return (
    with hit as materialized (
      select i.cluster, jsonb_agg(rule_id_of(i.module, i.error_key)
        order by i.module collate "C", i.error_key collate "C") as rules
      from org_issues(aggregator_clusters.org_id) i
      where i.cluster = any (aggregator_clusters.clusters collate "C")
      group by i.cluster
    )
    select jsonb_build_object('status', 'ok', 'clusters', coalesce(jsonb_object_agg(l.cluster,
      jsonb_build_object(
      'created_at', exact_text(l.updated_at), 'recommendations', coalesce(h.rules, '[]'),
      'meta', jsonb_build_object('cluster_version', coalesce(l.cluster_version, '')))), '{}'))
    from latest_report l
    left join hit h on h.cluster = l.cluster
    where l.org_id = aggregator_clusters.org_id and l.left_at is null
      and l.cluster = any (aggregator_clusters.clusters));
end $$;

comment on function ccx.aggregator_clusters(bigint, text[]) is
  'What hits each of these clusters of an organization, with its version and the time of its report.';
