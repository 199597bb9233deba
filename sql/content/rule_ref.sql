-- `a.b.x.report|KEY`, as people and the aggregator spell a rule, with or without each of its parts. Not
-- strict, so that a query that calls it takes it in.
create or replace function ccx.rule_ref(spelling text)
  returns table (module text, rule_name text, error_key text)
language sql immutable parallel safe
begin atomic
  select btrim(split_part(spelling, '|', 1), e' \t\r\n'),
    rule_name(btrim(split_part(spelling, '|', 1), e' \t\r\n')),
    nullif(btrim(split_part(spelling, '|', 2), e' \t\r\n'), '');
end;

comment on function ccx.rule_ref(text) is
  'What a spelling of a rule says: the module as it is spelled, the bare name, and the error key behind a '
  '|; null: none. One row.';
