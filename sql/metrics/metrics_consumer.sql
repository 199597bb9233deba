create or replace view metrics_consumer with (security_invoker = true) as
select
  o.topic,
  o.partition::text as partition,
  o.next_offset::double precision as next_offset,
  extract(epoch from now() - o.updated_at)::double precision as idle_seconds
from consumer_offset o;

comment on view metrics_consumer is
  'How far each partition of the results has been consumed into the database; its lag is what Kafka has '
  'beyond.';
comment on column metrics_consumer.topic is 'Kafka topic';
comment on column metrics_consumer.partition is 'partition of the topic';
comment on column metrics_consumer.next_offset is 'first offset that is not stored yet';
comment on column metrics_consumer.idle_seconds is 'time since messages of the partition were last stored';
