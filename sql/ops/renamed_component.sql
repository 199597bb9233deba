create or replace function ccx.renamed_component(component text, rule text) returns text
language sql immutable parallel safe
set search_path = public, ccx, pg_temp
as $$
  select case when strpos(named.module, '.') > 0 then '' else regexp_replace(spelled.module, '[^.]+$', '') end
    || named.module || substr(renamed_component.component, length(spelled.module) + 1)
  from (
    select regexp_replace(r.module, '\.(report|recommendation)$', '') as module
    from rule_ref(renamed_component.rule) r) named
  cross join (
    select regexp_replace(renamed_component.component, '\.(report|recommendation)$', '') as module) spelled;
$$;

comment on function ccx.renamed_component(text, text) is
  'How reports will spell a component once its rule has this name: a.b.x.report becomes a.b.y.report for y, '
  'c.y.report for c.y.';
