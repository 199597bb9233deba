create or replace function ccx.results_overview(
  org_id bigint, clusters text[] default null, with_internal boolean default false
) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
  return (
    with hit as materialized (
      select i.cluster, i.total_risk, i.tags
      from org_issues(results_overview.org_id) i
      where i.content_id is not null and i.acked_since is null and i.disabled_since is null
        and (with_internal or not is_internal(i.module))
        and (not i.managed or 'osd_customer' = any (i.tags))
        and (results_overview.clusters is null or i.cluster = any (results_overview.clusters collate "C"))
    )
    select jsonb_build_object('status', 'ok', 'overview', jsonb_build_object(
      'clusters_hit', (select count(distinct h.cluster) from hit h),
      'hit_by_risk', (
        select coalesce(jsonb_object_agg(r.total_risk, r.hits), '{}')
        from (select h.total_risk, count(*) as hits from hit h group by h.total_risk) r),
      'hit_by_tag', (
        select coalesce(jsonb_object_agg(t.tag, t.hits), '{}')
        from (select tag, count(*) as hits from hit h cross join unnest(h.tags) tag group by tag) t))));
end $$;

comment on function ccx.results_overview(bigint, text[], boolean) is
  'How many clusters of an organization (or of these of them) are hit, and how many hits there are by total '
  'risk and by tag.';
