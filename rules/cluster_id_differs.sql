-- The files of the archive are of more than one cluster.
-- component: ccx_rules_sql.cluster_id_differs.report
-- reads: config/id, config/version.json
-- tags: configuration
select
  'CLUSTER_ID_DIFFERS' as error_key,
  jsonb_build_object('id', i.id, 'version_id', v.document #>> '{spec,clusterID}') as details
from (select left(body, 36) as id from files where path = 'config/id') i
join files v on v.path = 'config/version.json'
where v.document #>> '{spec,clusterID}' <> i.id
