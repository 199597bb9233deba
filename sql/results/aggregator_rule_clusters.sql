create or replace function ccx.aggregator_rule_clusters(
  org_id bigint, module text, error_key text, clusters text[] default null
) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
  return (
    select json_build_object('status', 'ok', 'clusters', json_agg(json_build_object(
        'cluster', i.cluster, 'cluster_name', '', 'last_checked_at', seconds_text(l.received_at),
        'impacted', seconds_text(i.opened_at),
        'meta', json_build_object('cluster_version', coalesce(l.cluster_version, '')))
      order by i.cluster))
    from rule r
    join issue i on i.rule_id = r.id and i.org_id = aggregator_rule_clusters.org_id and i.closed_at is null
    join latest_report l on l.cluster = i.cluster and l.org_id = i.org_id and l.left_at is null
    where r.rule_name = rule_name(aggregator_rule_clusters.module)
      and r.error_key = aggregator_rule_clusters.error_key
      and rule_module(r.component) = rule_module(aggregator_rule_clusters.module)
      and (aggregator_rule_clusters.clusters is null
        or i.cluster = any (aggregator_rule_clusters.clusters collate "C"))
    having count(*) > 0);
end $$;

comment on function ccx.aggregator_rule_clusters(bigint, text, text, text[]) is
  'The clusters of an organization (of these of them) that a rule hits. Null: it hits none.';
