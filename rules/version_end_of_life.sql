-- The cluster runs a minor version that is not maintained any more.
-- component: ccx_rules_sql.version_end_of_life.report
-- reads: config/version.json
-- tags: security, upgrade
select
  'VERSION_END_OF_LIFE' as error_key,
  jsonb_build_object('version', v.version, 'first_maintained', '4.12') as details
from files f
cross join lateral (select f.document #>> '{status,desired,version}' as version) v
where f.path = 'config/version.json'
  and v.version ~ '^4\.\d{1,3}\.' and split_part(v.version, '.', 2)::integer < 12
