create or replace function ccx.results_rule(
  org_id bigint, module text, error_key text, content_only boolean default false
) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  return (
    select jsonb_build_object('status', 'ok',
      'content', jsonb_build_object(
        'rule_id', rule_id_of(c.python_module, c.error_key), 'description', c.description,
        'generic', c.generic, 'reason', c.reason, 'resolution', c.resolution, 'more_info', c.more_info,
        'total_risk', c.total_risk, 'impact', c.impact, 'likelihood', c.likelihood, 'tags', to_jsonb(c.tags))
      || jsonb_strip_nulls(jsonb_build_object('publish_date', seconds_text(c.publish_date)))
      || case when content_only then '{}' else jsonb_build_object(
        'resolution_risk', c.resolution_risk, 'hosts_acked_count', 0,
        'rating', coalesce((
          select r.rating from advisor_ratings r
          where r.org_id = results_rule.org_id and r.rule_fqdn = c.python_module
            and r.error_key = c.error_key), 0),
        'disabled', exists (
          select from acknowledgement a
          where a.cluster is null and a.rule_name = c.rule_name and a.org_id = results_rule.org_id
            and upper_inf(a.period) and coalesce(a.error_key = c.error_key, true))) end,
      'groups', (
        select coalesce(jsonb_agg(jsonb_build_object('title', g.title, 'description', g.description,
          'tags', to_jsonb(g.tags)) order by g.position), '[]')
        from rule_group g
        where g.tags && c.tags))
    from rule_content c
    where c.python_module = rule_module(results_rule.module) and c.error_key = results_rule.error_key
      and upper_inf(c.validity)
    limit 1);
end $$;

comment on function ccx.results_rule(bigint, text, text, boolean) is
  'What a rule says, how the organization rated it and whether it acknowledged it, and its groups. Null: it '
  'has no content.';
