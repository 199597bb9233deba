create or replace function ccx.rule_module(spelling text) returns text
language sql immutable parallel safe
return regexp_replace(spelling, '\.(report|recommendation)$', '');

comment on function ccx.rule_module(text) is
  'The full module of a rule, from the way a report spells it (a.b.x.report): what its content is found by.';
