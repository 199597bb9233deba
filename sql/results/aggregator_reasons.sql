create or replace function ccx.aggregator_reasons(org_id bigint, user_id text) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  return (
    select jsonb_build_object('status', 'ok', 'reasons', coalesce(jsonb_agg(jsonb_build_object(
        'ClusterID', f.cluster_id, 'RuleID', f.rule_id, 'ErrorKey', f.error_key, 'Message', f.message,
        'AddedAt', go_time(f.added_at), 'UpdatedAt', go_time(f.updated_at))
      order by f.cluster_id, f.rule_id collate "C", f.error_key collate "C"), '[]'))
    from cluster_user_rule_disable_feedback f
    where f.org_id = aggregator_reasons.org_id and f.user_id = aggregator_reasons.user_id);
end $$;

comment on function ccx.aggregator_reasons(bigint, text) is 'Why a user switched rules off for clusters.';
