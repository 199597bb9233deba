-- As ingest(), for a topic of workloads: one call per Kafka batch of one partition. Nothing is decided upon.
create or replace function ccx.ingest_workloads(
  topic text,
  partition integer,
  batch jsonb,
  high_watermark bigint default null,
  at timestamptz default now(),
  expected_offset bigint default null,
  portion_end bigint default null
) returns table (stored integer, replaced integer, unchanged integer, rejected integer, skipped integer,
  next_offset bigint, elsewhere integer)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  first_offset bigint;
begin
  select b.first_offset into first_offset
  from begin_portion(ingest_workloads.topic, ingest_workloads.partition, ingest_workloads.high_watermark,
    ingest_workloads.expected_offset) b;
  elsewhere := 0;
  if (select c.buckets <> '{[0,256)}' from cell c) then
    select s.own, s.elsewhere, s.end_offset into batch, elsewhere, portion_end
    from own_share(batch, ingest_workloads.partition, first_offset, portion_end) s;
  end if;
  select s.stored, s.replaced, s.unchanged into stored, replaced, unchanged
  from store_workloads(batch, first_offset, ingest_workloads.at) s;
  select e.rejected, e.skipped, e.next_offset into rejected, skipped, next_offset
  from end_portion(ingest_workloads.topic, ingest_workloads.partition, 'workloads', batch, first_offset,
    ingest_workloads.high_watermark, ingest_workloads.at, false, false, portion_end) e;
  return next;
end $$;

comment on function ccx.ingest_workloads(text, integer, jsonb, bigint, timestamptz, bigint, bigint) is
  'Stores one batch of one partition of a topic of workloads and moves its offset; what was consumed before '
  'is skipped. Raises NTI01: topic created anew; NTI02: the database is behind expected_offset.';
