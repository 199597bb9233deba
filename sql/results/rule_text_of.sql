create or replace function ccx.rule_text_of(texts jsonb, name text, of_key text) returns text
language sql immutable parallel safe
return case when texts ? name then coalesce(texts ->> name, of_key) else '' end;

comment on function ccx.rule_text_of(jsonb, text, text) is
  'A text that a rule has for all its error keys, from rule_content.rule_texts and the text of one error '
  'key; empty: it has none.';
