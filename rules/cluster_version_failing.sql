-- The cluster version operator cannot apply the desired state.
-- component: ccx_rules_sql.cluster_version_failing.report
-- reads: config/version.json
-- tags: service_availability, upgrade
select
  'CLUSTER_VERSION_FAILING' as error_key,
  jsonb_build_object(
    'reason', c.value ->> 'reason', 'since', c.value ->> 'lastTransitionTime',
    'version', f.document #>> '{status,desired,version}') as details
from files f
cross join jsonb_array_elements(f.document #> '{status,conditions}') c
where f.path = 'config/version.json' and c.value ->> 'type' = 'Failing' and c.value ->> 'status' = 'True'
