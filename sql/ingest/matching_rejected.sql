-- One query, so that it is inlined wherever it is used. A position is TOPIC/PARTITION/OFFSET.
create or replace function ccx.matching_rejected(
  reason text default null, topic text default null, org_id bigint default null, cluster text default null,
  since timestamptz default null, until timestamptz default null, ids bigint[] default null,
  positions text[] default null
) returns setof rejected_message
language sql stable parallel safe
begin atomic
  select r.*
  from rejected_message r
  where (matching_rejected.reason is null or r.reason = matching_rejected.reason)
    and (matching_rejected.topic is null or r.topic = matching_rejected.topic)
    and (matching_rejected.org_id is null or r.org_id = matching_rejected.org_id)
    and (matching_rejected.cluster is null or r.cluster = lower(matching_rejected.cluster))
    and (matching_rejected.since is null or r.received_at >= matching_rejected.since)
    and (matching_rejected.until is null or r.received_at < matching_rejected.until)
    and (num_nulls(matching_rejected.ids, matching_rejected.positions) = 2
      or r.id = any (matching_rejected.ids)
      or concat_ws('/', r.topic, r.partition, r.kafka_offset) = any (matching_rejected.positions));
end;

comment on function ccx.matching_rejected(text, text, bigint, text, timestamptz, timestamptz, bigint[],
  text[]) is
  'Rejected messages, stored by a retry or not, that match all that is given; ids and positions '
  '(TOPIC/PARTITION/OFFSET) name messages.';
