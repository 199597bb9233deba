-- One call per Kafka batch of one partition: the jobs and the offset move together or not at all.
--
-- An element of the batch is {kafka_offset, service, text, traceparent}, or, instead of a text,
-- {reason, detail, value}
-- for what is no text, with its bytes in base64. service is the header; null: the announcement says it. What
-- is for another service is skipped. An announcement that is repeated (same organization, request id and
-- time) is the same job.
create or replace function ccx.take_announcements(
  topic text,
  partition integer,
  batch jsonb,
  high_watermark bigint default null,
  at timestamptz default now(),
  expected_offset bigint default null
) returns table (taken integer, known integer, dead integer, skipped integer, next_offset bigint)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  first_offset bigint;
begin
  perform given(take_announcements.at);
  insert into consumer_offset (topic, partition, next_offset)
  values (take_announcements.topic, take_announcements.partition, 0)
  on conflict do nothing;

  -- fences out a consumer that lost its partition but does not know it yet
  select o.next_offset into first_offset
  from consumer_offset o
  where o.topic = take_announcements.topic and o.partition = take_announcements.partition
  for update;

  if take_announcements.high_watermark < first_offset then
    raise exception 'topic % partition % ends at offset %, but offset % is expected next: the topic was '
      'created anew',
      take_announcements.topic, take_announcements.partition, take_announcements.high_watermark, first_offset
      using errcode = 'NTI01',
        hint = format('when that is so: delete from consumer_offset where topic = %L and partition = %s',
          take_announcements.topic, take_announcements.partition);
  end if;
  if take_announcements.expected_offset > first_offset then
    raise exception 'topic % partition % is at offset % in the database, but was at % before: it lost what '
      'it had',
      take_announcements.topic, take_announcements.partition, first_offset, take_announcements.expected_offset
      using errcode = 'NTI02', hint = format('read the partition again from offset %s', first_offset);
  end if;

  with message as materialized (
    select m.kafka_offset, coalesce(decode(m.value, 'base64'), convert_to(m.text, 'UTF8')) as value,
      coalesce(
        m.service,
        case when pg_input_is_valid(m.text, 'jsonb') then m.text::jsonb ->> 'service' end) as service,
      coalesce(m.reason, a.reason) as reason, coalesce(m.detail, a.detail) as detail,
      a.request_id, a.org_id, a.account_number, a.cluster, a.url, a.announced_at, a.last_checked,
      a.gathering_time, m.traceparent
    from jsonb_to_recordset(take_announcements.batch) m (
      kafka_offset bigint, service text, text text, reason text, detail text, value text, traceparent text)
    left join lateral read_announcement(m.text, take_announcements.at) a on m.text is not null
  ), fresh as (
    select *
    from message m
    where m.kafka_offset >= first_offset
      and (m.service = 'openshift' or m.service is null and m.reason is not null)
  ), stored as (
    insert into analysis as a (
      topic, partition, kafka_offset, request_id, org_id, account_number, cluster, vouched, url, announced_at,
      last_checked, gathering_time, received_at, state, traceparent, next_attempt_at)
    select take_announcements.topic, take_announcements.partition, f.kafka_offset, f.request_id, f.org_id,
      f.account_number, f.cluster, f.cluster is not null, f.url, f.announced_at, f.last_checked,
      f.gathering_time, take_announcements.at, 'waiting', f.traceparent,
      -- our own consumer takes no report of the future: a clock that is ahead a little is waited for
      greatest(take_announcements.at, f.announced_at - interval '5 minutes')
    from fresh f
    where f.reason is null
    order by f.kafka_offset
    on conflict on constraint analysis_known do nothing
    returning a.id
  ), refused as (
    insert into analysis as a (
      topic, partition, kafka_offset, request_id, announcement, received_at, state, ended_at, failure, error)
    select take_announcements.topic, take_announcements.partition, f.kafka_offset, f.request_id,
      f.value, take_announcements.at, 'dead', take_announcements.at, f.reason, f.detail
    from fresh f
    where f.reason is not null
    order by f.kafka_offset
    returning a.id
  ), moved as (
    update consumer_offset o
    set next_offset = greatest(o.next_offset, (select max(m.kafka_offset) + 1 from message m)),
      updated_at = take_announcements.at,
      stored_at = case when exists (select from stored) then take_announcements.at else o.stored_at end,
      high_watermark = coalesce(take_announcements.high_watermark, o.high_watermark),
      high_watermark_at = case
        when take_announcements.high_watermark is null then o.high_watermark_at
        else take_announcements.at end
    where o.topic = take_announcements.topic and o.partition = take_announcements.partition
    returning o.next_offset
  )
  select
    (select count(*) from stored)::integer,
    (select count(*) from fresh f where f.reason is null)::integer - (select count(*) from stored)::integer,
    (select count(*) from refused)::integer,
    (select count(*) from message)::integer - (select count(*) from fresh)::integer,
    (select moved.next_offset from moved)
  into taken, known, dead, skipped, next_offset;
  return next;
end $$;

comment on function ccx.take_announcements(text, integer, jsonb, bigint, timestamptz, bigint) is
  'Stores one batch of announcements of one Kafka partition as jobs and moves its offset. Raises NTI01: '
  'topic created anew; NTI02: the database is behind expected_offset.';
