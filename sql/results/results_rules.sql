create or replace function ccx.results_rules(
  org_id bigint, impacting boolean default null, with_internal boolean default false
) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
  return (
    with hit as materialized (
      select i.content_id, count(*) as clusters
      from org_issues(results_rules.org_id) i
      where i.content_id is not null and i.disabled_since is null
        and (not i.managed or 'osd_customer' = any (i.tags))
      group by i.content_id
    )
    select jsonb_build_object('status', 'ok', 'recommendations', coalesce(jsonb_agg(
      jsonb_build_object(
        'rule_id', rule_id_of(c.python_module, c.error_key), 'description', c.description,
        'generic', c.generic, 'total_risk', c.total_risk, 'resolution_risk', c.resolution_risk,
        'impact', c.impact, 'likelihood', c.likelihood, 'tags', to_jsonb(c.tags),
        'disabled', exists (
          select from acknowledgement a
          where a.cluster is null and a.rule_name = c.rule_name and a.org_id = results_rules.org_id
            and upper_inf(a.period) and coalesce(a.error_key = c.error_key, true)),
        'impacted_clusters_count', coalesce(h.clusters, 0))
      || jsonb_strip_nulls(jsonb_build_object('publish_date', seconds_text(c.publish_date)))
      order by c.python_module collate "C", c.error_key collate "C"), '[]'))
    from rule_content c
    left join hit h on h.content_id = c.id
    where upper_inf(c.validity) and (with_internal or not is_internal(c.python_module))
      and (impacting is null or impacting = (h.clusters is not null)));
end $$;

comment on function ccx.results_rules(bigint, boolean, boolean) is
  'Rules with content: how many clusters of an organization each hits, and whether it is acknowledged. '
  'impacting: only those that hit some (true) or none (false).';
