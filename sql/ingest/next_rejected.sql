-- At most max_bytes together, unless a single message is larger. What is rejected again stays in the table,
-- so a retry goes on after the last one, up to the newest that there was when it began.
create or replace function ccx.next_rejected(
  after_id bigint, last_id bigint, batch_size integer, max_bytes bigint,
  reason text default null, topic text default null, org_id bigint default null, cluster text default null,
  since timestamptz default null, until timestamptz default null, ids bigint[] default null,
  positions text[] default null
) returns table (id bigint, stream text, kafka_offset bigint, value bytea)
language sql stable parallel safe
begin atomic
  select s.id, s.stream, s.kafka_offset, s.value
  from (
    select r.id, r.stream, r.kafka_offset, r.value, sum(octet_length(r.value)) over (order by r.id) as bytes,
      row_number() over (order by r.id) as nth
    from (
      select m.id, m.stream, m.kafka_offset, m.value
      from matching_rejected(
        next_rejected.reason, next_rejected.topic, next_rejected.org_id, next_rejected.cluster,
          next_rejected.since, next_rejected.until,
    next_rejected.ids, next_rejected.positions) m
      where m.stored_at is null and not m.headers ? 'ccx-record-batch' and m.id > next_rejected.after_id
        and m.id <= next_rejected.last_id
      order by m.id
      limit next_rejected.batch_size
    ) r
  ) s
  where s.nth = 1 or s.bytes is null or s.bytes <= next_rejected.max_bytes
  order by s.id;
end;

comment on function ccx.next_rejected(bigint, bigint, integer, bigint, text, text, bigint, text, timestamptz,
  timestamptz, bigint[], text[]) is
  'The next rejected messages that a retry tries, in the order of their numbers.';
