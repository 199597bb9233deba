create or replace function ccx.results_disable_feedback(
  org_id bigint, user_id text, cluster text, module text, error_key text, message text,
  any_rule boolean default false
) returns text
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  if not cluster_is_known(results_disable_feedback.org_id, results_disable_feedback.cluster)
    or not (any_rule or rule_has_content(results_disable_feedback.module, results_disable_feedback.error_key))
  then
    return null;
  end if;
  insert into cluster_user_rule_disable_feedback (cluster_id, rule_id, error_key, user_id, org_id, message)
  values (results_disable_feedback.cluster, rule_module(results_disable_feedback.module) || '.report',
    results_disable_feedback.error_key, results_disable_feedback.user_id, results_disable_feedback.org_id,
    results_disable_feedback.message)
  on conflict (cluster_id, rule_id, error_key, user_id, org_id) do update
  set message = excluded.message, updated_at = now();
  return json_build_object('message', message, 'status', 'ok');
end $$;

comment on function ccx.results_disable_feedback(bigint, text, text, text, text, text, boolean) is
  'Notes why a user switched a rule off for a cluster. Null: no such cluster, or (unless any_rule) nothing '
  'is known about the rule.';
