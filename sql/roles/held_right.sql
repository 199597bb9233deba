-- PostgreSQL gives every new function to PUBLIC, which nothing says in the catalog until somebody changes it.
create or replace view ccx.held_right with (security_invoker = true) as
with held as (
  select case c.relkind when 'S' then 'sequence' else 'table' end as kind, c.relnamespace as schema,
    format('%I.%I', n.nspname, c.relname) as object, c.relacl as acl, c.relowner as owner,
    null::name as column_name
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
  union all
  select 'table', c.relnamespace, format('%I.%I', n.nspname, c.relname), a.attacl, c.relowner, a.attname
  from pg_attribute a
  join pg_class c on c.oid = a.attrelid
  join pg_namespace n on n.oid = c.relnamespace
  where a.attacl is not null
  union all
  select 'function', p.pronamespace, p.oid::regprocedure::text,
    coalesce(p.proacl, acldefault('f', p.proowner)), p.proowner, null
  from pg_proc p
  union all
  select 'schema', n.oid, n.nspname, n.nspacl, n.nspowner, null
  from pg_namespace n
  union all
  select 'database', null, quote_ident(d.datname), d.datacl, d.datdba, null
  from pg_database d
  where d.datname = current_database()
)
select h.kind, h.object, a.grantee, a.privilege_type as privilege, h.column_name::text,
  a.grantor, a.is_grantable, h.owner
from held h
left join pg_namespace n on n.oid = h.schema
cross join lateral aclexplode(h.acl) a
where n.nspname is null
  or n.nspname in ('public', 'ccx', 'aggregator', 'fleet', 'extensions', 'graphile_worker',
    'graphile_migrate');

comment on view ccx.held_right is
  'Every right that anybody has now on the database, its schemas that we use, and what is in them.';
comment on column ccx.held_right.kind is 'table (or view), sequence, function, schema or database';
comment on column ccx.held_right.object is 'the object, as a statement names it';
comment on column ccx.held_right.grantee is 'who has it; 0: everybody';
comment on column ccx.held_right.privilege is 'what he may do';
comment on column ccx.held_right.column_name is 'the column, where it is not the whole object';
comment on column ccx.held_right.grantor is 'who gave it';
comment on column ccx.held_right.is_grantable is 'true: he may give it to others';
comment on column ccx.held_right.owner is 'whose object it is';
