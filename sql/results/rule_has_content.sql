create or replace function ccx.rule_has_content(module text, error_key text) returns boolean
language sql stable parallel safe
begin atomic
  select exists (
    select from rule_content c
    where c.python_module = rule_module(rule_has_content.module) and c.error_key = rule_has_content.error_key
      and upper_inf(c.validity));
end;

comment on function ccx.rule_has_content(text, text) is
  'Whether something is known about a rule (any spelling with its full module) and error key.';
