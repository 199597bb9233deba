-- The cluster does not learn of updates.
-- component: ccx_rules_sql.updates_not_retrieved.report
-- reads: config/version.json
-- tags: upgrade
select
  'UPDATES_NOT_RETRIEVED' as error_key,
  jsonb_build_object('reason', c.value ->> 'reason', 'channel', f.document #>> '{spec,channel}') as details
from files f
cross join jsonb_array_elements(f.document #> '{status,conditions}') c
where f.path = 'config/version.json'
  and c.value ->> 'type' = 'RetrievedUpdates' and c.value ->> 'status' = 'False'
