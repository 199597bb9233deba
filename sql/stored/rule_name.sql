-- The four spellings in use: the wire's `a.b.x.report`, the content's `a.b.x`, the bare `x`, and `x|KEY`
-- (or `a.b.x.report|KEY`). All of them name the rule `x`.
create or replace function ccx.rule_name(spelling text) returns text
language sql immutable strict parallel safe
return split_part(regexp_replace(split_part(spelling, '|', 1), '\.(report|recommendation)$', ''), '.', -1);

comment on function ccx.rule_name(text) is
  'The bare name of a rule, from any of its spellings (x.report, a.b.x, x, x|KEY). Rule content and '
  'disabled rules are matched by it.';
