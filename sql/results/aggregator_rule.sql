create or replace function ccx.aggregator_rule(
  org_id bigint, user_id text, cluster text, component text, error_key text
) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  return (
    select jsonb_build_object('status', 'ok', 'report',
      aggregator_hit(h.component, h.error_key, h.disabled_since, h.disable_feedback, h.user_vote, h.details))
    from cluster_hits(aggregator_rule.org_id, aggregator_rule.user_id, aggregator_rule.cluster) h
    where h.component = aggregator_rule.component and h.error_key = aggregator_rule.error_key);
end $$;

comment on function ccx.aggregator_rule(bigint, text, text, text, text) is
  'One hit of the newest report of a cluster. Null: there is none.';
