create or replace view dead_analysis with (security_invoker = true) as
select
  a.id as analysis_id,
  a.request_id,
  a.org_id,
  a.cluster,
  a.failure,
  a.error,
  a.attempts,
  a.announced_at,
  a.received_at,
  a.ended_at,
  format('%s/%s/%s', a.topic, a.partition, a.kafka_offset) as place,
  a.url is not null as redrivable,
  a.announcement
from analysis a
where a.state = 'dead';

comment on view dead_analysis is
  'Archives and announcements that were given up, and why: select * from redrive_analyses(array(select '
  'analysis_id from dead_analysis where …)).';
comment on column dead_analysis.analysis_id is 'number of the analysis';
comment on column dead_analysis.request_id is 'request id of the upload; null: the announcement has none';
comment on column dead_analysis.org_id is 'organization that uploaded it; null: not known';
comment on column dead_analysis.cluster is 'cluster it is about; null: not known';
comment on column dead_analysis.failure is 'why, from a fixed vocabulary (docs/reference/reasons.md)';
comment on column dead_analysis.error is 'the same as a sentence';
comment on column dead_analysis.attempts is 'how many times it was tried';
comment on column dead_analysis.announced_at is 'when it was announced';
comment on column dead_analysis.received_at is 'when we heard of it';
comment on column dead_analysis.ended_at is 'when it was given up';
comment on column dead_analysis.place is 'topic/partition/offset of its announcement';
comment on column dead_analysis.redrivable is 'it can be tried again; not what does not conform';
comment on column dead_analysis.announcement is 'the announcement as it came, where it does not conform';
