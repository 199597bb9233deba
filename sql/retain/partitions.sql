create or replace view partitions with (security_invoker = true) as
select p.parent, p.name, p.day, p.is_attached, p.rows, p.bytes,
  not p.is_attached or p.day < (retention_horizon(p.parent) at time zone 'UTC')::date as is_past,
  case when p.is_attached and p.day < (retention_horizon(p.parent) at time zone 'UTC')::date
    then partition_held_by(p.parent, p.day) end as held_by,
  case when p.is_attached then (p.day + 1 + ((now() at time zone 'UTC')::date
    - (retention_horizon(p.parent) at time zone 'UTC')::date))::timestamp at time zone 'UTC' end as drop_at
from (
  select m[1] as parent, c.relname::text as name, to_date(m[2], 'YYYYMMDD') as day,
    c.relispartition as is_attached,
    nullif(c.reltuples, -1)::bigint as rows, pg_total_relation_size(c.oid) as bytes
  from pg_class c
  cross join lateral regexp_match(c.relname, '^(new_reports|reported)_(\d{8})(_detached)?$') m
  where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and m is not null
  union all
  select r.parent, c.relname::text, null, true, nullif(c.reltuples, -1)::bigint,
    pg_total_relation_size(c.oid)
  from retention r
  join pg_class c on c.relname = r.parent || '_default' and c.relnamespace = 'public'::regnamespace
) p
order by p.parent, p.day nulls last;

comment on view partitions is
  'Every day of new_reports and reported that is stored, how large it is, whether retention is to drop it, '
  'and what holds it.';
comment on column partitions.parent is 'new_reports or reported';
comment on column partitions.name is 'table that holds the day';
comment on column partitions.day is 'day (UTC); null for what belongs to no day';
comment on column partitions.is_attached is 'false: taken out of its parent, about to be dropped';
comment on column partitions.rows is
  'how many rows it has, as of the last analyze; null: it was never analyzed';
comment on column partitions.bytes is 'its size with indexes';
comment on column partitions.is_past is
  'older than what is kept: the next retain() drops it, unless something holds it; null for what belongs to '
  'no day';
comment on column partitions.held_by is 'why it must not be dropped yet; null: nothing holds it';
comment on column partitions.drop_at is
  'from when on retain() drops it, with the retention and the policies of now, unless something holds it';
