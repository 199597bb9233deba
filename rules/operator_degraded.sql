-- A cluster operator reports that it is degraded.
-- component: ccx_rules_sql.operator_degraded.report
-- reads: config/clusteroperator/*.json
-- tags: service_availability
-- links: {"docs": ["https://docs.openshift.com/container-platform/latest/operators/index.html"]}
select
  'OPERATOR_DEGRADED' as error_key,
  jsonb_build_object('operators', jsonb_agg(jsonb_build_object(
    'name', f.document #>> '{metadata,name}', 'reason', c.value ->> 'reason',
    'since', c.value ->> 'lastTransitionTime')
    order by f.path)) as details
from files f
cross join jsonb_array_elements(f.document #> '{status,conditions}') c
where f.path like 'config/clusteroperator/%' and f.path not like 'config/clusteroperator/%/%'
  and c.value ->> 'type' = 'Degraded' and c.value ->> 'status' = 'True'
having count(*) > 0
