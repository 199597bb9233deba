-- What belongs to other cells is left out; what names no cluster belongs to the cell of its partition's
-- bucket. Not called where there is one cell only, which would pay for a copy of the batch.
create or replace function ccx.own_share(
  batch jsonb, partition integer, first_offset bigint, portion_end bigint
) returns table (own jsonb, elsewhere integer, end_offset bigint)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select coalesce(jsonb_agg(m.element) filter (where m.is_ours), '[]'),
    (count(*) filter (where not m.is_ours))::integer,
    greatest(own_share.portion_end, max(m.kafka_offset) + 1)
  from (
    select e.element, (e.element ->> 'kafka_offset')::bigint as kafka_offset,
      (e.element ->> 'kafka_offset')::bigint < own_share.first_offset
        or c.buckets @> coalesce(bucket_of(e.element ->> 'cluster'), own_share.partition % 256) as is_ours
    from cell c
    cross join lateral jsonb_array_elements(own_share.batch) as e (element)
  ) m
$$;

comment on function ccx.own_share(jsonb, integer, bigint, bigint) is
  'What of a portion is for this cell, or was consumed before, how many messages are for others, and the '
  'offset after all of them.';
