create or replace view consumer_lag with (security_invoker = true) as
select
  o.topic,
  o.partition,
  o.next_offset,
  o.high_watermark,
  greatest(o.high_watermark - o.next_offset, 0) as lag,
  o.high_watermark_at as as_of,
  now() - o.high_watermark_at as age,
  o.is_behind
from consumer_offset o;

comment on view consumer_lag is
  'How far each partition of the results topic has been consumed, and how much there was to come when we '
  'last heard. A partition without new messages is not heard of: its age grows, and its lag stays.';
comment on column consumer_lag.topic is 'Kafka topic';
comment on column consumer_lag.partition is 'partition of the topic';
comment on column consumer_lag.next_offset is 'first offset that is not stored yet';
comment on column consumer_lag.high_watermark is 'where the partition ended; null: not known yet';
comment on column consumer_lag.lag is
  'how many offsets are still to come (records that transactions leave behind count, too); null: not known '
  'yet';
comment on column consumer_lag.as_of is 'when the end was known';
comment on column consumer_lag.age is 'how long ago that is';
comment on column consumer_lag.is_behind is 'decisions on its reports wait for the rest';
