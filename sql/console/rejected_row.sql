create or replace view ccx.rejected_row with (security_invoker = true) as
select r.id, r.received_at, r.reason, r.topic, r.partition, r.kafka_offset, r.org_id, r.cluster,
  octet_length(r.value) as bytes, r.attempts,
  case when r.stored_at is null then 'waiting' else 'stored' end as state, r.detail
from rejected_message r;

comment on view ccx.rejected_row is 'Rejected messages as the console lists them, without their bytes.';
comment on column ccx.rejected_row.id is 'number of the message';
comment on column ccx.rejected_row.received_at is 'when it arrived';
comment on column ccx.rejected_row.reason is 'why it was rejected, for programs';
comment on column ccx.rejected_row.topic is 'the topic it came from';
comment on column ccx.rejected_row.partition is 'the partition of the topic';
comment on column ccx.rejected_row.kafka_offset is 'its place in the partition';
comment on column ccx.rejected_row.org_id is 'its organization, where the message says so';
comment on column ccx.rejected_row.cluster is 'its cluster, where the message says so';
comment on column ccx.rejected_row.bytes is 'how long it is';
comment on column ccx.rejected_row.attempts is 'how often a retry failed';
comment on column ccx.rejected_row.state is 'waiting, or stored by a retry';
comment on column ccx.rejected_row.detail is 'why it was rejected, for people';
