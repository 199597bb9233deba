-- Other functions run with the rights of whoever calls them.
create or replace view ccx.closed_object with (security_invoker = true) as
select 'table' as kind, o.object
from ccx.our_relation o
union all
select 'sequence', format('%I.%I', n.nspname, q.relname)
from ccx.our_relation o
join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = o.oid and d.deptype in ('a', 'i')
join pg_class q on q.oid = d.objid and q.relkind = 'S'
join pg_namespace n on n.oid = q.relnamespace
where d.classid = 'pg_class'::regclass
union all
select 'function', p.oid::regprocedure::text
from ccx.code_object c
join pg_proc p on p.oid = to_regprocedure(c.identity) and p.prosecdef
where c.name like 'function %';

comment on view ccx.closed_object is
  'Our tables, views, sequences and functions with the rights of the owner: what only the roles are to use.';
comment on column ccx.closed_object.kind is 'table (or view), sequence or function';
comment on column ccx.closed_object.object is 'how a statement names it';
