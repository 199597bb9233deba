create or replace function ccx.results_rule_ids(with_internal boolean default false) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  return (
    select json_build_object('rules', coalesce(json_agg(c.python_module order by c.python_module), '[]'),
      'status', 'ok')
    from (
      select distinct c.python_module collate "C" as python_module
      from rule_content c
      where upper_inf(c.validity) and (with_internal or not is_internal(c.python_module))
    ) c);
end $$;

comment on function ccx.results_rule_ids(boolean) is 'The modules of all rules that have content.';
