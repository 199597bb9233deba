-- A table stands for its partitions: their names have dates and would go on for ever.
create or replace view metrics_table with (security_invoker = true) as
select
  c.relname::text as relation,
  sum(pg_total_relation_size(p.relid))::double precision as size_bytes,
  sum(greatest(k.reltuples, 0))::double precision as live_rows,
  coalesce(sum(s.n_dead_tup), 0)::double precision as dead_rows
from pg_class c
cross join lateral (
  select c.oid as relid where c.relkind = 'r'
  union all
  select t.relid::oid from pg_partition_tree(c.oid) t where c.relkind = 'p' and t.isleaf
) p
join pg_class k on k.oid = p.relid
left join pg_stat_user_tables s on s.relid = p.relid
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
  and c.relname !~ '_detached$'
group by c.relname;

comment on view metrics_table is 'How large each table is, with its indexes and partitions.';
comment on column metrics_table.relation is 'the table';
comment on column metrics_table.size_bytes is 'its size with indexes and partitions';
comment on column metrics_table.live_rows is 'rows, as of the last analyze';
comment on column metrics_table.dead_rows is 'rows that vacuum has not removed yet';
