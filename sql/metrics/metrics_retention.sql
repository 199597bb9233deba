create or replace view metrics_retention with (security_invoker = true) as
select
  p.parent,
  count(*) filter (where p.day is not null)::double precision as stored_partitions,
  count(*) filter (where p.is_past)::double precision as past_partitions,
  count(*) filter (where p.is_past and p.held_by is not null)::double precision as held_partitions,
  coalesce(sum(p.rows) filter (where p.day is null), 0)::double precision as default_rows
from partitions p
group by p.parent;

comment on view metrics_retention is 'The daily partitions: how many are stored, past, and past but held.';
comment on column metrics_retention.parent is 'new_reports or reported';
comment on column metrics_retention.stored_partitions is 'days that have a partition';
comment on column metrics_retention.past_partitions is 'days that are older than what is kept';
comment on column metrics_retention.held_partitions is
  'days that are past and must not be dropped yet; the view partitions says why';
comment on column metrics_retention.default_rows is
  'rows that belong to no day with a partition, as of the last analyze';
