-- What the cells say now; of one that does not answer, what it said when it was attached.
create or replace view fleet.bucket_fault with (security_invoker = true) as
select case o.owners when 0 then 'missing' else 'twice' end as fault,
  range_agg(int4range(o.bucket, o.bucket + 1)) as buckets, o.cells
from (
  select b.bucket, count(s.cell) as owners,
    coalesce(array_agg(s.cell order by s.cell) filter (where s.cell is not null), '{}') as cells
  from generate_series(0, 255) as b (bucket)
  left join (
    select s.cell, coalesce(s.buckets, c.buckets) as buckets
    from fleet.status() s
    join fleet.cell c on c.name = s.cell) s on s.buckets @> b.bucket
  group by b.bucket
) o
where o.owners <> 1
group by o.owners, o.cells
order by 1, 2;

comment on view fleet.bucket_fault is
  'Buckets that no attached cell has, and those that several have; empty: each cluster belongs to one cell.';
comment on column fleet.bucket_fault.fault is
  'missing: nobody keeps the reports of these clusters; twice: they are notified twice';
comment on column fleet.bucket_fault.buckets is 'which buckets';
comment on column fleet.bucket_fault.cells is 'the cells that have them';
