create or replace function ccx.aggregator_disabled_clusters(org_id bigint, module text, error_key text)
  returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  return (
    select jsonb_build_object('status', 'ok', 'clusters', jsonb_agg(jsonb_build_object(
        'cluster_id', t.cluster_id, 'cluster_name', '', 'disabled_at', exact_text(t.disabled_at),
        'justification', coalesce((
          select f.message from cluster_user_rule_disable_feedback f
          where f.cluster_id = lower(t.cluster_id) and f.rule_id = t.rule_id and f.error_key = t.error_key
            and f.org_id = aggregator_disabled_clusters.org_id
          order by f.updated_at desc
          limit 1), ''))
      order by t.disabled_at desc, t.cluster_id collate "C"))
    from cluster_rule_toggle t
    where t.org_id = aggregator_disabled_clusters.org_id::text and t.disabled = 1
      and rule_module(t.rule_id) = rule_module(aggregator_disabled_clusters.module)
      and t.error_key = aggregator_disabled_clusters.error_key);
end $$;

comment on function ccx.aggregator_disabled_clusters(bigint, text, text) is
  'For which clusters an organization has switched a rule off, and why.';
