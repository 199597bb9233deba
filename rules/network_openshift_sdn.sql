-- The cluster uses the network type OpenShiftSDN, which later versions do not have.
-- component: ccx_rules_sql.network_openshift_sdn.report
-- reads: config/network.json
-- tags: networking, upgrade
select
  'NETWORK_OPENSHIFT_SDN' as error_key,
  jsonb_build_object('network_type', f.document #>> '{status,networkType}') as details
from files f
where f.path = 'config/network.json' and f.document #>> '{status,networkType}' = 'OpenShiftSDN'
