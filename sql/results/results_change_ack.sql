create or replace function ccx.results_change_ack(
  org_id bigint, module text, error_key text, justification text
) returns text
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  changed rule_disable;
begin
  update rule_disable d
  set justification = results_change_ack.justification, updated_at = now()
  where d.org_id = results_change_ack.org_id::text and d.error_key = results_change_ack.error_key
    and d.rule_id = ack_spelling(results_change_ack.org_id, results_change_ack.module,
      results_change_ack.error_key)
  returning d.* into changed;
  return case when found then ack_in_json(changed) end;
end $$;

comment on function ccx.results_change_ack(bigint, text, text, text) is
  'Gives an acknowledgement another justification. Null: there is none.';
