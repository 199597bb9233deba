create or replace function ccx.results_rule_clusters(org_id bigint, module text, error_key text) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
  content rule_content;
  acked_at timestamptz;
  acked_because text;
begin
  select c.* into content
  from rule_content c
  where c.python_module = rule_module(results_rule_clusters.module)
    and c.error_key = results_rule_clusters.error_key and upper_inf(c.validity)
  limit 1;
  if not found then
    return null;
  end if;
  select lower(a.period), d.justification into acked_at, acked_because
  from acknowledgement a
  left join rule_disable d
    on a.source = 'rule_disable' and a.source_key = concat_ws(' ', d.org_id, d.rule_id, d.error_key)
  where a.cluster is null and a.rule_name = content.rule_name and a.org_id = results_rule_clusters.org_id
    and upper_inf(a.period) and coalesce(a.error_key = content.error_key, true)
  order by a.id
  limit 1;

  return (
    with hit as materialized (
      select i.cluster, i.opened_at, i.component, l.received_at, l.cluster_version,
        coalesce(g.display_name, i.cluster) as cluster_name,
        coalesce(acked_at, (
          select min(lower(a.period)) from acknowledgement a
          where a.cluster = i.cluster and a.rule_name = content.rule_name
            and coalesce(a.org_id = i.org_id, true) and upper_inf(a.period)
            and coalesce(a.error_key = content.error_key, true))) as disabled_at
      from (
        select i.*, r.component
        from rule r
        join issue i on i.rule_id = r.id and i.org_id = results_rule_clusters.org_id and i.closed_at is null
        where r.rule_name = content.rule_name and r.error_key = content.error_key
          and rule_module(r.component) = content.python_module
      ) i
      join latest_report l on l.cluster = i.cluster and l.org_id = i.org_id and l.left_at is null
      left join cluster_registry g on g.cluster = i.cluster and g.org_id = i.org_id
      where not coalesce(g.managed, false) or 'osd_customer' = any (content.tags)
    ), disabled as (
      select h.cluster, h.cluster_name, h.disabled_at from hit h where h.disabled_at is not null
      union
      -- switched off, and not hit any more
      select l.cluster, coalesce(g.display_name, l.cluster), lower(a.period)
      from cluster_rule_toggle t
      join latest_report l
        on l.cluster = lower(t.cluster_id) and l.org_id = results_rule_clusters.org_id and l.left_at is null
      join acknowledgement a on a.cluster = l.cluster and a.rule_name = content.rule_name
        and coalesce(a.org_id = l.org_id, true) and upper_inf(a.period)
        and coalesce(a.error_key = content.error_key, true)
      left join cluster_registry g on g.cluster = l.cluster and g.org_id = l.org_id
      where t.disabled = 1 and t.org_id in (results_rule_clusters.org_id::text, '0')
        and rule_name(t.rule_id) = content.rule_name
        and not exists (select from hit h where h.cluster = l.cluster)
    )
    select json_build_object('status', 'ok', 'data', json_build_object(
      'enabled', coalesce((
        select json_agg(json_build_object('cluster', h.cluster, 'cluster_name', h.cluster_name,
            'last_checked_at', seconds_text(h.received_at), 'impacted', seconds_text(h.opened_at),
            'meta', json_build_object('cluster_version', coalesce(h.cluster_version, '')))
          order by h.cluster)
        from hit h
        where h.disabled_at is null), '[]'),
      'disabled', coalesce((
        select json_agg(json_build_object('cluster_id', d.cluster, 'cluster_name', d.cluster_name,
            'disabled_at', seconds_text(d.disabled_at),
            'justification', coalesce(case when acked_at is not null then acked_because else (
              select f.message from cluster_user_rule_disable_feedback f
              where f.cluster_id = d.cluster and f.org_id = results_rule_clusters.org_id
                and rule_module(f.rule_id) = content.python_module and f.error_key = content.error_key
              order by f.updated_at desc
              limit 1) end, ''))
          order by d.disabled_at desc, d.cluster)
        from disabled d), '[]'))));
end $$;

comment on function ccx.results_rule_clusters(bigint, text, text) is
  'The clusters of an organization that a rule hits, and those for which it is switched off, newest first; '
  'once it is acknowledged, these are all. Null: it has no content.';
