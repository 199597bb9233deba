-- One call per Kafka batch of one partition: reports, rejected messages, issues (by trigger) and the consumer offset
-- move together or not at all.
--
-- The reports arrive as they were on the wire: PostgreSQL parses them once and keeps numbers exactly, JavaScript would
-- round the large ones. An element of the batch is {kafka_offset, org_id, account_number, cluster, updated_at, message} or, for
-- what was rejected, {kafka_offset, reason, detail, key, value, headers} (key, value and header values in base64).
create or replace function ingest(
  topic text,
  partition integer,
  batch jsonb,
  high_watermark bigint default null,
  at timestamptz default now()
) returns table (stored integer, replaced integer, unchanged integer, rejected integer, skipped integer, next_offset bigint)
language plpgsql volatile
set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
  first_offset bigint;
begin
  insert into consumer_offset (topic, partition, next_offset)
  values (ingest.topic, ingest.partition, 0)
  on conflict do nothing;

  -- fences out a consumer that lost its partition but does not know it yet
  select o.next_offset into first_offset
  from consumer_offset o
  where o.topic = ingest.topic and o.partition = ingest.partition
  for update;

  if ingest.high_watermark < first_offset then
    raise exception 'topic % partition % ends at offset %, but offset % is expected next: the topic was created anew',
      ingest.topic, ingest.partition, ingest.high_watermark, first_offset
      using errcode = 'CX001',
        hint = format('when that is so: delete from consumer_offset where topic = %L and partition = %s',
          ingest.topic, ingest.partition);
  end if;

  perform ensure_partition('new_reports', day)
  from (
    select distinct (m.updated_at at time zone 'UTC')::date as day
    from jsonb_to_recordset(batch) as m (updated_at timestamptz)
    where m.updated_at between ingest.at - interval '14 days' and ingest.at + interval '1 day'
  ) days
  where to_regclass('new_reports_' || to_char(day, 'YYYYMMDD')) is null
  order by day;

  with message as materialized (
    select *
    from jsonb_to_recordset(batch) as m (
      kafka_offset bigint,
      org_id bigint, account_number bigint, cluster text, updated_at timestamptz, message jsonb,
      reason text, detail text, key text, value text, headers jsonb)
  ), accepted as materialized (
    select m.org_id, m.cluster collate "C" as cluster, m.updated_at, m.account_number, m.kafka_offset,
      ((m.message -> 'Report')
        - '{system,fingerprints,skips,info,pass,analysis_metadata}'::text[])::text as report
    from message m
    where m.reason is null and m.kafka_offset >= first_offset
  ), versioned as materialized (
    -- one key several times: the same upload run again, the last one counts
    select a.*,
      coalesce(lag(a.report) over same_key, r.report) as earlier_report,
      lead(a.kafka_offset) over same_key is null as is_last
    from accepted a
    left join new_reports r
      on r.org_id = a.org_id and r.cluster = a.cluster and r.updated_at = a.updated_at
    window same_key as (partition by a.org_id, a.cluster, a.updated_at order by a.kafka_offset)
  ), written as (
    insert into new_reports as r (org_id, account_number, cluster, report, updated_at, kafka_offset, received_at)
    select v.org_id, v.account_number, v.cluster, v.report, v.updated_at, v.kafka_offset, ingest.at
    from versioned v
    where v.is_last
    order by v.org_id, v.cluster, v.updated_at
    on conflict (org_id, cluster, updated_at) do update
    set account_number = excluded.account_number,
        report = excluded.report,
        kafka_offset = excluded.kafka_offset,
        received_at = excluded.received_at
    where r.report is distinct from excluded.report
  ), refused as (
    insert into rejected_message (topic, partition, kafka_offset, reason, detail, key, value, headers, received_at)
    select ingest.topic, ingest.partition, m.kafka_offset, m.reason, m.detail,
      decode(m.key, 'base64'), decode(m.value, 'base64'), coalesce(m.headers, '{}'), ingest.at
    from message m
    where m.reason is not null and m.kafka_offset >= first_offset
    on conflict do nothing
  ), moved as (
    update consumer_offset o
    set next_offset = greatest(o.next_offset, (select max(m.kafka_offset) + 1 from message m)), updated_at = ingest.at
    where o.topic = ingest.topic and o.partition = ingest.partition
    returning o.next_offset
  )
  select
    count(*) filter (where v.earlier_report is null)::integer,
    count(*) filter (where v.earlier_report <> v.report)::integer,
    count(*) filter (where v.earlier_report = v.report)::integer,
    (select count(*) from message m where m.reason is not null and m.kafka_offset >= first_offset)::integer,
    (select count(*) from message m where m.kafka_offset < first_offset)::integer,
    (select moved.next_offset from moved)
  into stored, replaced, unchanged, rejected, skipped, next_offset
  from versioned v;

  perform announce('ingested', jsonb_build_object(
    'topic', ingest.topic, 'partition', ingest.partition, 'stored', stored, 'replaced', replaced,
    'unchanged', unchanged, 'rejected', rejected, 'skipped', skipped));
  return next;
end $$;

comment on function ingest(text, integer, jsonb, bigint, timestamptz) is
  'Stores one batch of one Kafka partition, reports and rejected messages, and moves its offset along; what was consumed before is skipped. Raises CX001 when the topic was created anew.';
