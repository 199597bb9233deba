create or replace view rejected_summary with (security_invoker = true) as
select
  s.hour,
  s.topic,
  s.reason,
  s.messages,
  s.waiting,
  s.first_at,
  s.last_at,
  e.id as example_id,
  format('%s/%s/%s', e.topic, e.partition, e.kafka_offset) as example,
  e.detail as example_detail
from (
  select
    date_trunc('hour', r.received_at) as hour,
    r.topic,
    r.reason,
    count(*) as messages,
    count(*) filter (where r.stored_at is null) as waiting,
    min(r.received_at) as first_at,
    max(r.received_at) as last_at,
    coalesce(max(r.id) filter (where r.stored_at is null), max(r.id)) as example_id
  from rejected_message r
  group by 1, 2, 3
) s
join rejected_message e on e.id = s.example_id;

comment on view rejected_summary is
  'What was rejected, by hour, topic and reason, each with an example (ccx rejected show).';
comment on column rejected_summary.hour is 'hour in which they arrived';
comment on column rejected_summary.topic is 'Kafka topic they came from';
comment on column rejected_summary.reason is 'why, from a fixed vocabulary (docs/reference/reasons.md)';
comment on column rejected_summary.messages is 'how many there were';
comment on column rejected_summary.waiting is 'how many of them no retry has stored since';
comment on column rejected_summary.first_at is 'when the first one arrived';
comment on column rejected_summary.last_at is 'when the last one arrived';
comment on column rejected_summary.example_id is 'id of the last one that waits, or of the last one';
comment on column rejected_summary.example is 'its topic/partition/offset';
comment on column rejected_summary.example_detail is 'why it was rejected, as a sentence';
