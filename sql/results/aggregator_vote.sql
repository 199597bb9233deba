create or replace function ccx.aggregator_vote(
  org_id bigint, user_id text, cluster text, module text, error_key text
) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  return (
    select jsonb_build_object('status', 'ok', 'vote', f.user_vote)
    from cluster_rule_user_feedback f
    where f.org_id = aggregator_vote.org_id and f.user_id = aggregator_vote.user_id
      and f.cluster_id = aggregator_vote.cluster and f.error_key = aggregator_vote.error_key
      and f.rule_id = rule_module(aggregator_vote.module) || '.report');
end $$;

comment on function ccx.aggregator_vote(bigint, text, text, text, text) is
  'What a user thinks of an issue: 1 like, -1 dislike, 0 neither. Null: he has not said.';
