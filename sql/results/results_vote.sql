create or replace function ccx.results_vote(
  org_id bigint, user_id text, cluster text, module text, error_key text, vote integer,
  message text default '', any_rule boolean default false
) returns text
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  if not cluster_is_known(results_vote.org_id, results_vote.cluster)
    or not (any_rule or rule_has_content(results_vote.module, results_vote.error_key)) then
    return null;
  end if;
  insert into cluster_rule_user_feedback as f (cluster_id, rule_id, error_key, user_id, org_id, message,
    user_vote)
  values (results_vote.cluster, rule_module(results_vote.module) || '.report', results_vote.error_key,
    results_vote.user_id, results_vote.org_id, results_vote.message, results_vote.vote)
  on conflict (cluster_id, rule_id, error_key, user_id, org_id) do update
  set user_vote = excluded.user_vote, updated_at = now(),
    message = case when excluded.message = '' then f.message else excluded.message end;
  return '{"status":"ok"}';
end $$;

comment on function ccx.results_vote(bigint, text, text, text, text, integer, text, boolean) is
  'Notes what a user thinks of an issue: 1 like, -1 dislike, 0 neither, with a text. Null: no such cluster, '
  'or (unless any_rule) nothing is known about the rule.';
