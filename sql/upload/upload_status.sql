-- Requests of another ingress are known by what was said about them only. What is asked for is looked up in
-- the indexes of both parts, so that nobody reads all of them for the last hour or for one cluster.
create or replace view upload_status with (security_invoker = true) as
select
  a.request_id,
  coalesce(a.org_id, s.org_id) as org_id,
  a.cluster,
  a.service,
  a.category,
  a.size,
  case
    when s.ended_as = 'error' then 'failed'
    when s.ended_as = 'success' then 'done'
    when s.processing_at is not null then 'processing'
    when m.died_at is not null then 'not announced'
    when m.sent_at is not null then 'announced'
    else 'stored'
  end as state,
  a.received_at,
  a.stored_at,
  m.sent_at as announced_at,
  s.processing_at,
  s.ended_at,
  a.stored_at - a.received_at as storing,
  m.sent_at - a.stored_at as announcing,
  s.processing_at - m.sent_at as waiting,
  s.ended_at - s.processing_at as processing,
  s.ended_at - a.received_at as whole,
  case
    when s.ended_as = 'error' then s.ended_msg
    when s.ended_as is null and s.processing_at is null then m.error
  end as failure,
  s.ended_by,
  a.removed_at is null and a.archive_id is not null as is_kept,
  a.duplicate_of
from (
  select r.request_id, r.archive_id, r.org_id, r.cluster, r.service, r.category, r.size, r.received_at,
    r.stored_at, r.removed_at, r.duplicate_of
  from archive r
  union all
  select f.request_id, null, null, null, null, null, null, null, null, null, null
  from upload_message f
  where f.archive_id is null and not exists (select from archive r where r.request_id = f.request_id)
  group by f.request_id
) a
left join upload_message m on m.archive_id = a.archive_id and m.kind = 'announcement'
left join lateral (
  select
    min(x.org_id) as org_id,
    min(x.noted_at) filter (where x.status = 'processing') as processing_at,
    max(x.noted_at) filter (where x.status in ('success', 'error')) as ended_at,
    (array_agg(x.status order by x.noted_at desc, x.message_id desc)
      filter (where x.status in ('success', 'error')))[1] as ended_as,
    (array_agg(x.status_msg order by x.noted_at desc, x.message_id desc)
      filter (where x.status in ('success', 'error')))[1] as ended_msg,
    (array_agg(x.service order by x.noted_at desc, x.message_id desc)
      filter (where x.status in ('success', 'error')))[1] as ended_by
  from upload_message x
  -- what the ingress says of itself is in the columns of its own
  where x.request_id = a.request_id and x.kind = 'status' and x.service <> 'ingress'
) s on true;

comment on view upload_status is
  'Of each upload: where it is, how long each step took, and why it failed. Ask for a request_id, or for the '
  'newest by received_at.';
comment on column upload_status.request_id is 'what everybody knows the upload by';
comment on column upload_status.org_id is 'the organization';
comment on column upload_status.cluster is 'the cluster, where the identity named one';
comment on column upload_status.service is 'whom the archive is for; null: another ingress took it';
comment on column upload_status.category is 'what kind of archive it is';
comment on column upload_status.size is 'bytes of the archive';
comment on column upload_status.state is
  'stored, announced, not announced (given up, see failure), processing, done or failed';
comment on column upload_status.received_at is 'when the request began to arrive';
comment on column upload_status.stored_at is 'when it was complete and stored';
comment on column upload_status.announced_at is 'when Kafka had the announcement';
comment on column upload_status.processing_at is 'when its rules began to run';
comment on column upload_status.ended_at is 'when the last of its steps ended, well or not';
comment on column upload_status.storing is 'how long the client took to send it, and we to store it';
comment on column upload_status.announcing is 'from then until Kafka had the announcement';
comment on column upload_status.waiting is 'from then until its rules began to run';
comment on column upload_status.processing is 'how long that took';
comment on column upload_status.whole is 'from its arrival to the end';
comment on column upload_status.failure is 'why it failed, or why it could not be announced so far';
comment on column upload_status.ended_by is 'which service said the last word';
comment on column upload_status.is_kept is 'its content is still in the store';
comment on column upload_status.duplicate_of is 'the first archive of the organization with the same content';
