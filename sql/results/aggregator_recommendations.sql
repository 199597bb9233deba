create or replace function ccx.aggregator_recommendations(org_id bigint, clusters text[]) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
  return (
    select jsonb_build_object('status', 'ok', 'recommendations',
      coalesce(jsonb_object_agg(r.rule, r.clusters), '{}'))
    from (
      select rule_id_of(i.module, i.error_key) as rule, jsonb_agg(i.cluster order by i.cluster) as clusters
      from org_issues(aggregator_recommendations.org_id) i
      where i.cluster = any (aggregator_recommendations.clusters collate "C")
      group by 1
    ) r);
end $$;

comment on function ccx.aggregator_recommendations(bigint, text[]) is
  'The rules that hit these clusters of an organization, and which of them each hits.';
