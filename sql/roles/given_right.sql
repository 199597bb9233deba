-- What PUBLIC has, everybody has, so it is in here as the role `public`: PostgreSQL gives it every new
-- function, which nothing says in the catalog until somebody changes it.
create or replace view ccx.given_right with (security_invoker = true) as
with held as (
  select case c.relkind when 'S' then 'sequence' else 'table' end as kind, c.relnamespace as schema,
    format('%I.%I', n.nspname, c.relname) as object, c.relacl as acl, null::name as column_name
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
  union all
  select 'table', c.relnamespace, format('%I.%I', n.nspname, c.relname), a.attacl, a.attname
  from pg_attribute a
  join pg_class c on c.oid = a.attrelid
  join pg_namespace n on n.oid = c.relnamespace
  where a.attacl is not null
  union all
  select 'function', p.pronamespace, p.oid::regprocedure::text,
    coalesce(p.proacl, acldefault('f', p.proowner)), null
  from pg_proc p
  union all
  select 'schema', n.oid, n.nspname, n.nspacl, null
  from pg_namespace n
  union all
  select 'database', null, quote_ident(d.datname), d.datacl, null
  from pg_database d
  where d.datname = current_database()
)
select h.kind, h.object, coalesce(d.name, 'public') as role, a.privilege_type as privilege,
  h.column_name::text
from held h
left join pg_namespace n on n.oid = h.schema
cross join lateral aclexplode(h.acl) a
left join pg_roles r on r.oid = a.grantee
left join ccx.database_role d on d.name = r.rolname
where (d.name is not null or a.grantee = 0)
  and (n.nspname is null or n.nspname in
  ('public', 'ccx', 'aggregator', 'fleet', 'extensions', 'graphile_worker', 'graphile_migrate'))
  and (d.name is distinct from 'ccx_owner' or h.kind in ('schema', 'database'))
union
select 'role', g.rolname, r.rolname, 'MEMBER', null
from pg_auth_members m
join pg_roles g on g.oid = m.roleid
join pg_roles r on r.oid = m.member
join ccx.database_role d on d.name = r.rolname;

comment on view ccx.given_right is
  'Every right that the roles and PUBLIC have now, in the form of wanted_right.';
comment on column ccx.given_right.kind is 'table (or view), sequence, function, schema, database or role';
comment on column ccx.given_right.object is 'the object, as a statement names it';
comment on column ccx.given_right.role is 'the role that has it; public: everybody';
comment on column ccx.given_right.privilege is 'what it is allowed; MEMBER: it is a member of the role';
comment on column ccx.given_right.column_name is 'the column, where it is not the whole object';
