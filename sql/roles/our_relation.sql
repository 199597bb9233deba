create or replace view ccx.our_relation with (security_invoker = true) as
select c.oid, n.nspname as schema, c.relname as name, c.relkind as kind, c.relispartition as is_day,
  c.relowner as owner, c.relrowsecurity as is_closed, format('%I.%I', n.nspname, c.relname) as object
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v')
  and (
    n.nspname in ('graphile_worker', 'graphile_migrate')
    or c.oid in (select to_regclass(t.name) from ccx.table_right t)
    or c.oid in (select i.inhrelid from pg_inherits i
      where i.inhparent in (select to_regclass(t.name) from ccx.table_right t))
    or c.oid in (select to_regclass(split_part(o.name, ' ', 2)) from ccx.code_object o
      where o.name like 'view %'));

comment on view ccx.our_relation is
  'The tables, days and views that are ours, and not of somebody else who uses the same schemas.';
comment on column ccx.our_relation.oid is 'the table or view';
comment on column ccx.our_relation.schema is 'its schema';
comment on column ccx.our_relation.name is 'its name';
comment on column ccx.our_relation.kind is 'r: a table, p: a partitioned one, v: a view';
comment on column ccx.our_relation.is_day is 'true: it is a partition';
comment on column ccx.our_relation.owner is 'whose it is';
comment on column ccx.our_relation.is_closed is 'true: row-level security is on';
comment on column ccx.our_relation.object is 'how a statement names it';
