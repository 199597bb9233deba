-- A cluster on a stable channel runs a release that is not final.
-- component: ccx_rules_sql.prerelease_version.report
-- reads: config/version.json
-- tags: upgrade
select
  'PRERELEASE_ON_STABLE_CHANNEL' as error_key,
  jsonb_build_object(
    'version', f.document #>> '{status,desired,version}',
    'channel', f.document #>> '{spec,channel}') as details
from files f
where f.path = 'config/version.json'
  and f.document #>> '{status,desired,version}' ~ '-(rc|ec|fc|nightly|ci)\y'
  and f.document #>> '{spec,channel}' ~ '^(stable|eus)-'
