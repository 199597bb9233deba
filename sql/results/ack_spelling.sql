-- People acknowledge by the bare name (`ccx ack`), customers by the module: both mean the same rule.
create or replace function ccx.ack_spelling(org_id bigint, module text, error_key text) returns text
language sql stable parallel safe
begin atomic
  select d.rule_id
  from rule_disable d
  where d.org_id = ack_spelling.org_id::text and d.error_key = ack_spelling.error_key
    and rule_module(d.rule_id) in (rule_module(ack_spelling.module), rule_name(ack_spelling.module))
  order by d.rule_id <> rule_module(ack_spelling.module), d.rule_id
  limit 1;
end;

comment on function ccx.ack_spelling(bigint, text, text) is
  'How rule_disable spells a rule that this organization has acknowledged; null: it has not.';
