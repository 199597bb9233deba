create or replace function ccx.results_end_ack(org_id bigint, module text, error_key text) returns text
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  delete from rule_disable d
  where d.org_id = results_end_ack.org_id::text and d.error_key = results_end_ack.error_key
    and rule_module(d.rule_id) in (rule_module(results_end_ack.module), rule_name(results_end_ack.module));
  return case when found then '' end;
end $$;

comment on function ccx.results_end_ack(bigint, text, text) is
  'Takes an acknowledgement back, however it is spelled; an empty text. Null: there was none.';
