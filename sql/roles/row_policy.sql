-- Everybody who may use a table at all sees all of its rows (ccx_everybody); three roles are narrowed. A
-- restrictive policy holds for members of its role only, so the plans of the service stay what they are:
-- `true` is folded away. Subqueries without a reference to the row are asked once for a statement.
create or replace view ccx.row_policy with (security_invoker = true) as
select p.name as table_name, r.policy, r.role, r.is_permissive,
  regexp_replace(
    regexp_replace(r.condition, '\{([^{}]*)::text\}', r.mine_text, 'g'), '\{([^{}]*)\}', r.mine, 'g')
      as condition
from ccx.organization_policy p
cross join lateral (values
  ('ccx_everybody', 'public', true, 'true', '', ''),
  ('ccx_reader', 'ccx_reader', false, p.condition,
    '(exists (select from organization_reader m where m.reader = current_user and m.org_id is null) '
      'or \1 in (select m.org_id from organization_reader m where m.reader = current_user))',
    '(exists (select from organization_reader m where m.reader = current_user and m.org_id is null) '
      'or \1 in (select m.org_id::text from organization_reader m where m.reader = current_user))'),
  ('ccx_results', 'ccx_results', false, p.condition,
    '(\1 = nullif(current_setting(''ccx.organization'', true), '''')::bigint)',
    '(\1 = nullif(current_setting(''ccx.organization'', true), '''')::bigint::text)'),
  ('ccx_console', 'ccx_console', false, p.condition,
    '(\1 = coalesce(nullif(current_setting(''ccx.organization'', true), '''')::bigint, \1))',
    '(\1 = coalesce(nullif(current_setting(''ccx.organization'', true), '''')::bigint::text, \1))')
) as r (policy, role, is_permissive, condition, mine, mine_text);

comment on view ccx.row_policy is
  'The policies of row-level security that each table with rows of organizations has.';
comment on column ccx.row_policy.table_name is 'the table';
comment on column ccx.row_policy.policy is 'name of the policy';
comment on column ccx.row_policy.role is 'whom it concerns; public: everybody but the owner';
comment on column ccx.row_policy.is_permissive is 'true: it opens rows; false: it narrows what others open';
comment on column ccx.row_policy.condition is 'the condition, for what is read and for what is written';
