create or replace function ccx.aggregator_ack(ack rule_disable) returns jsonb
language sql stable parallel safe
return jsonb_build_object('org_id', ack.org_id::bigint, 'user_id', '', 'rule_id', ack.rule_id,
  'error_key', ack.error_key, 'justification', coalesce(ack.justification, ''),
  'created_at', go_time(ack.created_at), 'updated_at', go_time(ack.updated_at));

comment on function ccx.aggregator_ack(rule_disable) is 'An acknowledgement as the aggregator shows it.';
