-- The Insights Operator could not gather some of what it is to gather.
-- component: ccx_rules_sql.gatherers_failed.report
-- reads: insights-operator/gathers.json
-- tags: configuration
select
  'GATHERERS_FAILED' as error_key,
  jsonb_build_object('gatherers', jsonb_agg(jsonb_build_object(
    'name', r.value ->> 'name', 'errors', jsonb_array_length(r.value -> 'errors'))
    order by r.value ->> 'name')) as details
from files f
cross join jsonb_array_elements(f.document -> 'status_reports') r
where f.path = 'insights-operator/gathers.json' and jsonb_typeof(r.value -> 'errors') = 'array'
  and r.value -> 'errors' <> '[]'
having count(*) > 0
