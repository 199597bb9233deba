-- Not strict: one of the two may be missing. Blanks around a name are no part of it.
create or replace function ccx.named_key(rule text, error_key text) returns text
language plpgsql immutable parallel safe
set search_path = public, ccx, pg_temp
as $$
declare
  in_rule text := nullif(btrim(split_part(rule, '|', 2), e' \t\r\n'), '');
  beside text := btrim(error_key, e' \t\r\n');
begin
  if beside <> '' and in_rule <> beside then
    raise exception 'the rule names the error key %, beside it stands %', in_rule, beside
      using errcode = 'NTC04';
  end if;
  return coalesce(beside, in_rule);
end $$;

comment on function ccx.named_key(text, text) is
  'The error key that a person means: the one given, or the one behind the | of the rule; null: none. Raises '
  'NTC04 where both are given and differ.';
