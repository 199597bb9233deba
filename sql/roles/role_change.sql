-- Statements in an order in which each finds what it needs, and in which nobody is shut out in between: the
-- policies of a table come before its row-level security, its rights last. No statement locks two tables. The
-- comment on a policy is its condition, by which a changed one is known.
create or replace view ccx.role_change with (security_invoker = true) as
with ours as (
  select * from ccx.our_relation
), setting as (
  select d.name as role, s.name, s.value
  from ccx.database_role d
  cross join lateral (values
    ('statement_timeout', d.statement_timeout), ('lock_timeout', d.lock_timeout),
    ('idle_in_transaction_session_timeout', d.idle_timeout)) as s (name, value)
), person as (
  -- a member does not inherit the settings of its role
  select m.rolname as name, s.name as setting, max(s.value::interval) as value
  from setting s
  join pg_roles r on r.rolname = s.role
  join pg_auth_members a on a.roleid = r.oid
  join pg_roles m on m.oid = a.member and m.rolcanlogin and not m.rolsuper
  where s.role <> 'ccx_owner' and m.rolname not in (select d.name from ccx.database_role d)
    -- whose settings are not ours to make keeps his own
    and pg_has_role(m.oid, 'member with admin option')
  group by m.rolname, s.name
), set_now as (
  select r.rolname as role, split_part(c.entry, '=', 1) as name,
    substr(c.entry, strpos(c.entry, '=') + 1) as value
  from pg_db_role_setting s
  join pg_roles r on r.oid = s.setrole
  cross join lateral unnest(s.setconfig) as c (entry)
  where s.setdatabase = (select d.oid from pg_database d where d.datname = current_database())
), missing as (
  select w.* from ccx.wanted_right w except select g.* from ccx.given_right g
), superfluous as (
  select g.* from ccx.given_right g
  -- a role of the site's own may have ours as members; those of PostgreSQL reach beyond the matrix
  where (g.kind <> 'role' or g.object like 'pg\_%') and not (g.kind = 'database' and g.privilege <> 'CREATE')
    and (g.role <> 'public' or case
      when g.kind in ('schema', 'database') then g.privilege = 'CREATE'
      else (g.kind, g.object) in (select o.kind, o.object from ccx.closed_object o) end)
  except
  select w.* from ccx.wanted_right w
)
select row_number() over (order by s.step, s.statement)::integer as position, s.statement, s.needs
from (
  select 1 as step, format('create role %I nologin', d.name) as statement, 'CREATEROLE' as needs
  from ccx.database_role d
  where to_regrole(d.name) is null
  union all
  select 2, format('grant ccx_owner to %I', current_user), 'ADMIN OPTION on the role ccx_owner'
  where not coalesce((
    select pg_has_role(r.oid, 'set') and pg_has_role(r.oid, 'usage') from pg_roles r
    where r.rolname = 'ccx_owner'), false)
  union all
  select 3, format('alter role %I in database %I set %s = %L', s.role, current_database(), s.name, s.value),
    'CREATEROLE, with ADMIN OPTION on the role'
  from setting s
  where not exists (
    select from set_now n where n.role = s.role and n.name = s.name and n.value = s.value)
  union all
  select 3, format('alter role %I in database %I set %s = %L', p.name, current_database(), p.setting,
      extract(epoch from p.value)::integer || 's'),
    'CREATEROLE, with ADMIN OPTION on the role'
  from person p
  where not exists (select from set_now n where n.role = p.name and n.name = p.setting)
  union all
  select 4, format('revoke create on %s %s from public', f.kind, f.object),
    format('ownership of the %s %s', f.kind, f.object)
  from superfluous f
  where f.role = 'public' and f.kind in ('schema', 'database')
  union all
  select 5, format('grant %s on %s %s to %I', string_agg(m.privilege, ', ' order by m.privilege), m.kind,
      m.object, m.role), format('ownership of the %s %s', m.kind, m.object)
  from missing m
  where m.kind in ('schema', 'database')
  group by m.kind, m.object, m.role
  union all
  select 6, format('alter %s %s owner to ccx_owner', case o.kind when 'v' then 'view' else 'table' end,
    o.object), format('ownership of %s, and SET on the role ccx_owner', o.object)
  from ours o
  where o.owner::regrole::text <> 'ccx_owner'
  union all
  select 6, string_agg(format('alter function %s owner to ccx_owner', p.oid::regprocedure), E';\n'
      order by p.oid::regprocedure::text collate "C"),
    'ownership of the functions, and SET on the role ccx_owner'
  from pg_proc p
  join pg_namespace n on n.oid = p.pronamespace
  where p.proowner::regrole::text <> 'ccx_owner' and p.prokind = 'f'
    and (n.nspname in ('ccx', 'graphile_worker')
      or p.oid in (select to_regprocedure(c.identity) from ccx.code_object c where c.name like 'function %'))
    and not exists (select from pg_depend d
      where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
  having count(*) > 0
  union all
  select 6, string_agg(format('alter type %s owner to ccx_owner', t.oid::regtype), E';\n'
      order by t.oid::regtype::text collate "C"),
    'ownership of the types, and SET on the role ccx_owner'
  from pg_type t
  join pg_class k on k.oid = t.typrelid and k.relkind = 'c'
  join pg_namespace n on n.oid = t.typnamespace
  where t.typowner::regrole::text <> 'ccx_owner'
    and (n.nspname in ('ccx', 'graphile_worker')
      or t.oid in (select to_regtype(c.identity) from ccx.code_object c where c.name like 'type %'))
  having count(*) > 0
  union all
  select 7, concat_ws(E';\n',
      case when p.oid is not null then format('drop policy %I on %s', w.policy, o.object) end,
      format('create policy %I on %s as %s to %s using (%s) with check (%s)', w.policy, o.object,
        case when w.is_permissive then 'permissive' else 'restrictive' end, w.role, w.condition, w.condition),
      format('comment on policy %I on %s is %L', w.policy, o.object, w.condition)),
    format('ownership of %s', o.object)
  from ccx.row_policy w
  join ours o on o.oid = to_regclass(w.table_name)
  left join pg_policy p on p.polrelid = o.oid and p.polname = w.policy
  where p.oid is null or obj_description(p.oid, 'pg_policy') is distinct from w.condition
  union all
  select 7,
    format('create policy ccx_service on %s to ccx_decide, ccx_deliver using (true) with check (true)',
    o.object), format('ownership of %s', o.object)
  from ours o
  where o.schema = 'graphile_worker' and o.is_closed
    and not exists (select from pg_policy p where p.polrelid = o.oid and p.polname = 'ccx_service')
  union all
  select 8, format('alter table %s enable row level security', o.object), format('ownership of %s', o.object)
  from ours o
  where not o.is_closed
    and (o.oid in (select to_regclass(w.table_name) from ccx.row_policy w)
      or o.is_day and o.oid in (select i.inhrelid from pg_inherits i
        where i.inhparent in (select to_regclass(w.table_name) from ccx.row_policy w)))
  union all
  select 9, format('grant %s on %s %s to %I', m.privileges, m.kind,
      string_agg(m.object, ', ' order by m.object), m.role),
    format('ownership of %s', min(m.object))
  from (
    select m.kind, m.object, m.role,
      string_agg(m.privilege || coalesce('(' || quote_ident(m.column_name) || ')', ''), ', '
        order by m.privilege, m.column_name) as privileges
    from missing m
    where m.kind in ('table', 'sequence', 'function')
    group by m.kind, m.object, m.role) m
  group by m.privileges, m.kind, m.role
  union all
  select 9, format('revoke %s on %s %s from %I',
      string_agg(f.privilege || coalesce('(' || quote_ident(f.column_name) || ')', ''), ', '
        order by f.privilege, f.column_name), f.kind, f.object, f.role),
    format('ownership of %s', f.object)
  from superfluous f
  where f.kind <> 'role' and not (f.role = 'public' and f.kind in ('schema', 'database'))
  group by f.kind, f.object, f.role
  union all
  select 10, format('grant %s to %I', m.object, m.role), format('ADMIN OPTION on the role %s', m.object)
  from missing m
  where m.kind = 'role'
  union all
  select 10, format('revoke %s from %I', f.object, f.role), format('ADMIN OPTION on the role %s', f.object)
  from superfluous f
  where f.kind = 'role'
) s;

comment on view ccx.role_change is
  'The statements that this database still needs to have its roles, policies and rights, in their order; '
  'empty when it has them. ccx migrate --with-roles runs them.';
comment on column ccx.role_change.position is 'place in the order';
comment on column ccx.role_change.statement is 'the statement';
comment on column ccx.role_change.needs is 'the privilege that whoever runs it has to have';
