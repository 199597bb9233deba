-- A cluster operator does not let the cluster be upgraded.
-- component: ccx_rules_sql.operator_not_upgradeable.report
-- reads: config/clusteroperator/*.json
-- tags: upgrade
select
  'OPERATOR_NOT_UPGRADEABLE' as error_key,
  jsonb_build_object('operators', jsonb_agg(jsonb_build_object(
    'name', f.document #>> '{metadata,name}', 'reason', c.value ->> 'reason') order by f.path)) as details
from files f
cross join jsonb_array_elements(f.document #> '{status,conditions}') c
where f.path like 'config/clusteroperator/%' and f.path not like 'config/clusteroperator/%/%'
  and c.value ->> 'type' = 'Upgradeable' and c.value ->> 'status' = 'False'
having count(*) > 0
