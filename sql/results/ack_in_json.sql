create or replace function ccx.ack_in_json(ack rule_disable) returns jsonb
language sql stable parallel safe
return jsonb_build_object(
  'rule', rule_id_of(ack.rule_id, ack.error_key), 'justification', coalesce(ack.justification, ''),
  'created_by', coalesce(ack.created_by, ''), 'created_at', seconds_text(ack.created_at),
  'updated_at', coalesce(seconds_text(ack.updated_at), ''));

comment on function ccx.ack_in_json(rule_disable) is 'An acknowledgement as the public API shows it.';
