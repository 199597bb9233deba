create or replace function ccx.results_ack(org_id bigint, module text, error_key text) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  return (
    select ack_in_json(d)
    from rule_disable d
    where d.org_id = results_ack.org_id::text and d.error_key = results_ack.error_key
      and d.rule_id = ack_spelling(results_ack.org_id, results_ack.module, results_ack.error_key));
end $$;

comment on function ccx.results_ack(bigint, text, text) is
  'One acknowledgement of an organization. Null: it has not acknowledged that rule.';
