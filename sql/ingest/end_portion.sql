-- What comes before first_offset was stored with an earlier portion, and is passed over.
create or replace function ccx.end_portion(
  topic text,
  partition integer,
  stream text,
  batch jsonb,
  first_offset bigint,
  high_watermark bigint,
  at timestamptz,
  has_stored boolean,
  is_behind boolean default false,
  portion_end bigint default null
) returns table (rejected integer, skipped integer, next_offset bigint)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  with message as materialized (
    select *
    from jsonb_to_recordset(batch) as m (
      kafka_offset bigint, org_id bigint, cluster text, request_id text, reason text, detail text, key text,
      value text, headers jsonb, retry_at timestamptz)
  ), refused as (
    insert into rejected_message (
      topic, partition, stream, kafka_offset, reason, detail, key, value, headers, received_at, org_id,
      cluster, request_id, dead_letter_due_at, retry_due_at)
    select end_portion.topic, end_portion.partition, end_portion.stream, m.kafka_offset, m.reason,
      m.detail, decode(m.key, 'base64'), decode(m.value, 'base64'), coalesce(m.headers, '{}'),
      end_portion.at, m.org_id, m.cluster, m.request_id,
      case when m.retry_at is null then end_portion.at end, m.retry_at
    from message m
    where m.reason is not null and m.kafka_offset >= end_portion.first_offset
      -- somebody has a partition read again. A topic created anew has other messages at the same offsets.
      and not exists (
        select from rejected_message r
        where r.topic = end_portion.topic and r.partition = end_portion.partition
          and r.kafka_offset = m.kafka_offset
          and r.value is not distinct from decode(m.value, 'base64')
          and r.key is not distinct from decode(m.key, 'base64'))
    order by m.kafka_offset
  ), moved as (
    update consumer_offset o
    set next_offset = greatest(o.next_offset, end_portion.portion_end,
      (select max(m.kafka_offset) + 1 from message m)),
      updated_at = end_portion.at,
      stored_at = case when end_portion.has_stored then end_portion.at else o.stored_at end,
      high_watermark = coalesce(end_portion.high_watermark, o.high_watermark),
      high_watermark_at = case when end_portion.high_watermark is null then o.high_watermark_at
        else end_portion.at end,
      is_behind = end_portion.is_behind
    where o.topic = end_portion.topic and o.partition = end_portion.partition
    returning o.next_offset
  )
  select
    (select count(*) from message m
     where m.reason is not null and m.kafka_offset >= end_portion.first_offset)::integer,
    (select count(*) from message m where m.kafka_offset < end_portion.first_offset)::integer,
    (select moved.next_offset from moved)
  into rejected, skipped, next_offset;

  if rejected > 0 then
    perform wake_dead_letters();
  end if;
  return next;
end $$;

comment on function
  ccx.end_portion(text, integer, text, jsonb, bigint, bigint, timestamptz, boolean, boolean, bigint) is
  'Keeps what of a portion does not conform and moves the offset of its partition; says how many messages '
  'were rejected, and how many had been consumed before.';
