create or replace function ccx.aggregator_disabled(org_id bigint, clusters text[] default null) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  return (
    select jsonb_build_object('status', 'ok', 'rules', coalesce(jsonb_agg(jsonb_build_object(
        'ClusterID', t.cluster_id, 'RuleID', t.rule_id, 'ErrorKey', t.error_key, 'Disabled', t.disabled,
        'DisabledAt', go_time(t.disabled_at), 'EnabledAt', go_time(t.enabled_at),
        'UpdatedAt', go_time(t.updated_at))
      order by t.cluster_id collate "C", t.rule_id collate "C", t.error_key collate "C"), '[]'))
    from cluster_rule_toggle t
    where t.org_id = aggregator_disabled.org_id::text and t.disabled = 1
      and (aggregator_disabled.clusters is null or lower(t.cluster_id) = any (aggregator_disabled.clusters)));
end $$;

comment on function ccx.aggregator_disabled(bigint, text[]) is
  'The rules that an organization has switched off for its clusters, or for these of them.';
