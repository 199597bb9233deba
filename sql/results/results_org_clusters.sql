create or replace function ccx.results_org_clusters(org_id bigint) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
  return (
    select json_build_object('clusters', coalesce(json_agg(l.cluster order by l.cluster), '[]'),
      'status', 'ok')
    from latest_report l
    where l.org_id = results_org_clusters.org_id and l.left_at is null);
end $$;

comment on function ccx.results_org_clusters(bigint) is 'The clusters of an organization that have reported.';
