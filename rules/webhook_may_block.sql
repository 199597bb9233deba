-- A validating webhook that does not answer refuses requests, and may take longer than the API server waits.
-- component: ccx_rules_sql.webhook_may_block.report
-- reads: config/validatingwebhookconfigurations/*.json
-- tags: configuration, service_availability
select
  'WEBHOOK_MAY_BLOCK' as error_key,
  jsonb_build_object('webhooks', jsonb_agg(jsonb_build_object(
    'configuration', f.document #>> '{metadata,name}', 'name', w.value ->> 'name',
    'timeout_seconds', (w.value ->> 'timeoutSeconds')::integer)
    order by f.path, w.value ->> 'name')) as details
from files f
cross join jsonb_array_elements(f.document -> 'webhooks') w
where f.path like 'config/validatingwebhookconfigurations/%.json'
  and w.value ->> 'failurePolicy' = 'Fail' and (w.value ->> 'timeoutSeconds')::integer > 13
having count(*) > 0
