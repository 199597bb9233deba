-- Namespaces share ranges of user ids, so that their volumes are not kept apart.
-- component: ccx_rules_sql.overlapping_uids.report
-- reads: config/namespaces_with_overlapping_uids.json
-- tags: security
select
  'NAMESPACES_WITH_OVERLAPPING_UIDS' as error_key,
  jsonb_build_object('groups', f.document) as details
from files f
where f.path = 'config/namespaces_with_overlapping_uids.json' and jsonb_typeof(f.document) = 'array'
  and f.document <> '[]'
