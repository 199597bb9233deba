create or replace function rejected_messages(
  reason text default null, topic text default null, org_id bigint default null, cluster text default null,
  since timestamptz default null, until timestamptz default null, ids bigint[] default null,
  positions text[] default null, stored boolean default false
) returns table (
  id bigint, "position" text, received_at timestamptz, reason text, org_id bigint, cluster text,
    bytes integer,
  attempts integer, stored_at timestamptz, detail text
)
language sql stable parallel safe
begin atomic
  select r.id, concat_ws('/', r.topic, r.partition, r.kafka_offset), r.received_at, r.reason, r.org_id,
    r.cluster,
    octet_length(r.value), r.attempts, r.stored_at, r.detail
  from matching_rejected(
    rejected_messages.reason, rejected_messages.topic, rejected_messages.org_id, rejected_messages.cluster,
      rejected_messages.since, rejected_messages.until,
    rejected_messages.ids, rejected_messages.positions) r
  where rejected_messages.stored or r.stored_at is null;
end;

comment on function rejected_messages(text, text, bigint, text, timestamptz, timestamptz, bigint[], text[],
  boolean) is
  'Messages that were rejected and match all that is given, without their bytes; stored: also those that a '
  'retry has stored since. Names by ids or by positions (TOPIC/PARTITION/OFFSET).';
