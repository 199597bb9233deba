-- Containers of the platform restart again and again.
-- component: ccx_rules_sql.container_restarts.report
-- reads: config/pod/*/*.json
-- tags: service_availability
select
  'CONTAINER_RESTARTS' as error_key,
  jsonb_build_object(
    'containers', jsonb_agg(jsonb_build_object(
      'namespace', split_part(f.path, '/', 3), 'pod', f.document #>> '{metadata,name}',
      'container', c.value ->> 'name', 'restarts', (c.value ->> 'restartCount')::integer)
      order by f.path, c.value ->> 'name'),
    'threshold', 4) as details
from files f
cross join jsonb_array_elements(
  case jsonb_typeof(f.document #> '{status,containerStatuses}')
    when 'array' then f.document #> '{status,containerStatuses}' else '[]' end) c
where f.path like 'config/pod/openshift-%/%.json' and f.path not like 'config/pod/%/%/%'
  and (c.value ->> 'restartCount')::integer >= 4
having count(*) > 0
