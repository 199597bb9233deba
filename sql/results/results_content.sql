create or replace function ccx.results_content(
  version integer default 2, with_internal boolean default false, module text default null
) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  content jsonb;
begin
  select jsonb_agg(r.content order by r.python_module collate "C") into content
  from (
    select c.python_module, jsonb_build_object(
      'plugin', jsonb_build_object('name', min(c.plugin_name), 'node_id', min(c.node_id),
        'product_code', min(c.product_code), 'python_module', c.python_module),
      'error_keys', jsonb_object_agg(c.error_key, jsonb_build_object(
        'metadata', jsonb_build_object(
            'description', c.description, 'likelihood', c.likelihood, 'status', c.status,
            'impact', case version when 1 then to_jsonb(c.impact_name) else to_jsonb(c.impact) end,
            'publish_date', coalesce(seconds_text(c.publish_date), ''), 'tags', to_jsonb(c.tags)),
        'total_risk', c.total_risk, 'generic', c.generic, 'summary', c.summary, 'reason', c.reason,
        'resolution', c.resolution, 'more_info', c.more_info, 'HasReason', c.reason <> '')),
      'generic', min(rule_text_of(c.rule_texts, 'generic', c.generic)),
      'summary', min(rule_text_of(c.rule_texts, 'summary', c.summary)),
      'reason', min(rule_text_of(c.rule_texts, 'reason', c.reason)),
      'resolution', min(rule_text_of(c.rule_texts, 'resolution', c.resolution)),
      'more_info', min(rule_text_of(c.rule_texts, 'more_info', c.more_info)),
      'HasReason', bool_or(c.rule_texts ? 'reason')) as content
    from rule_content c
    where upper_inf(c.validity) and (with_internal or not is_internal(c.python_module))
      and (results_content.module is null or c.python_module = rule_module(results_content.module))
    group by c.python_module
  ) r;
  if module is null then
    return jsonb_build_object('status', 'ok', 'content', coalesce(content, '[]'));
  end if;
  return case when content is not null then jsonb_build_object('status', 'ok', 'content', content -> 0) end;
end $$;

comment on function ccx.results_content(integer, boolean, text) is
  'Everything that rules say, by rule, or what one rule says (null: nothing is known about it); version 1 '
  'has the names of impacts, version 2 their numbers.';
