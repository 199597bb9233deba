create or replace function ccx.results_ack_rule(
  org_id bigint, user_id text, module text, error_key text, justification text
) returns table (created boolean, body text)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  changed rule_disable;
begin
  perform lock_acknowledgements(results_ack_rule.org_id);
  -- Of two at once the second one finds the row. Who takes it back in between is followed by a new one.
  loop
    insert into rule_disable as d (org_id, rule_id, error_key, justification, created_by)
    select results_ack_rule.org_id::text, rule_module(results_ack_rule.module), results_ack_rule.error_key,
      results_ack_rule.justification, results_ack_rule.user_id
    where ack_spelling(results_ack_rule.org_id, results_ack_rule.module, results_ack_rule.error_key) is null
    on conflict do nothing
    returning d.* into changed;
    created := found;
    exit when created;
    update rule_disable d
    set justification = results_ack_rule.justification, updated_at = now()
    where d.org_id = results_ack_rule.org_id::text and d.error_key = results_ack_rule.error_key
      and d.rule_id = ack_spelling(results_ack_rule.org_id, results_ack_rule.module,
        results_ack_rule.error_key)
    returning d.* into changed;
    exit when found;
  end loop;
  body := ack_in_json(changed);
  return next;
end $$;

comment on function ccx.results_ack_rule(bigint, text, text, text, text) is
  'Acknowledges a rule for an organization, or gives the acknowledgement another justification; says which, '
  'and how it is now.';
