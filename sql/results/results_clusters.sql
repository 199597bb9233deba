create or replace function ccx.results_clusters(
  org_id bigint, with_internal boolean default false, after text default null, most integer default null
) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
  return (
    with hit as materialized (
      select i.cluster, i.total_risk, count(*) as hits
      from org_issues(results_clusters.org_id) i
      where i.content_id is not null and i.acked_since is null and i.disabled_since is null
        and (with_internal or not is_internal(i.module))
        and (not i.managed or 'osd_customer' = any (i.tags))
      group by i.cluster, i.total_risk
    ), by_risk as materialized (
      select h.cluster, sum(h.hits) as hits, jsonb_object_agg(h.total_risk, h.hits) as by_risk
      from hit h
      group by h.cluster
    ), none as (
      select coalesce(jsonb_object_agg(r.total_risk, 0), '{}') as by_risk
      from (
        select distinct c.total_risk from rule_content c
        where upper_inf(c.validity) and (with_internal or not is_internal(c.python_module))
      ) r
    ), page as (
      select k.*
      from org_clusters(results_clusters.org_id) k
      where coalesce(k.cluster > results_clusters.after collate "C", true)
      order by k.cluster
      limit most
    )
    select jsonb_build_object('status', 'ok', 'meta', jsonb_build_object('count', count(p.cluster)),
      'data', coalesce(jsonb_agg(
        jsonb_build_object(
          'cluster_id', p.cluster, 'cluster_name', p.display_name, 'managed', p.managed,
          'total_hit_count', coalesce(b.hits, 0),
          'hits_by_total_risk', none.by_risk || coalesce(b.by_risk, '{}'))
        || jsonb_strip_nulls(jsonb_build_object(
          'last_checked_at', seconds_text(p.updated_at), 'cluster_version', p.cluster_version))
        order by p.cluster) filter (where p.cluster is not null), '[]'))
    from none
    left join page p on true
    left join by_risk b on b.cluster = p.cluster);
end $$;

comment on function ccx.results_clusters(bigint, boolean, text, integer) is
  'The clusters of an organization with the number of their hits by total risk; in the order of their ids, '
  'those after one, so many at most.';
