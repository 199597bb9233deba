-- The image registry keeps images on a disk that is lost with its pod.
-- component: ccx_rules_sql.image_registry_empty_dir.report
-- reads: config/clusteroperator/imageregistry.operator.openshift.io/config/*.json
-- tags: configuration
select
  'IMAGE_REGISTRY_EMPTY_DIR' as error_key,
  jsonb_build_object('name', f.document #>> '{metadata,name}') as details
from files f
where f.path like 'config/clusteroperator/imageregistry.operator.openshift.io/config/%.json'
  and f.document #> '{spec,storage}' ? 'emptyDir' and f.document #>> '{spec,managementState}' = 'Managed'
limit 1
