create or replace function ccx.rule_id_of(module text, error_key text) returns text
language sql immutable parallel safe
return rule_module(module) || '|' || error_key;

comment on function ccx.rule_id_of(text, text) is
  'How the public API names a rule and one of its error keys: module|KEY, without .report.';
