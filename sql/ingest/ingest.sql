-- One call per Kafka batch of one partition: reports, rejected messages, issues (by trigger) and the consumer
-- offset move together or not at all.
--
-- An element of the batch is {kafka_offset, org_id, account_number, cluster, updated_at, request_id,
-- gathered_at, cluster_version, report}, where report is a text with what is stored of the message's Report
-- as it was written (JavaScript would round large numbers), or, for what was rejected, {kafka_offset, reason,
-- detail, key, value, headers} (key, value and header values in base64) with org_id and cluster where they
-- could be read, and retry_at where time may mend it.
--
-- expected_offset is where the caller's last batch of this partition ended, null on its first. decide_within
-- says that more of the partition is known to follow, and how long decisions wait for it; null: nothing is.
-- portion_end is the offset after the last message of the portion, where the caller left out what belongs to
-- other cells.
create or replace function ccx.ingest(
  topic text,
  partition integer,
  batch jsonb,
  high_watermark bigint default null,
  at timestamptz default now(),
  expected_offset bigint default null,
  decide_within interval default null,
  portion_end bigint default null
) returns table (stored integer, replaced integer, unchanged integer, rejected integer, skipped integer,
  next_offset bigint, elsewhere integer)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  first_offset bigint;
  was_behind boolean;
  owned int4multirange;
  position_name constant text := concat_ws('/', ingest.topic, ingest.partition);
begin
  insert into consumer_offset (topic, partition, next_offset)
  values (ingest.topic, ingest.partition, 0)
  on conflict do nothing;

  -- fences out a consumer that lost its partition but does not know it yet
  select o.next_offset, o.is_behind into first_offset, was_behind
  from consumer_offset o
  where o.topic = ingest.topic and o.partition = ingest.partition
  for update;

  if ingest.high_watermark < first_offset then
    raise exception 'topic % partition % ends at offset %, but offset % is expected next: the topic was created anew',
      ingest.topic, ingest.partition, ingest.high_watermark, first_offset
      using errcode = 'NTI01',
        hint = format('when that is so: delete from consumer_offset where topic = %L and partition = %s',
          ingest.topic, ingest.partition);
  end if;

  -- a failover or a restored backup has taken back what the caller believes to be stored
  if ingest.expected_offset > first_offset then
    raise exception 'topic % partition % is at offset % in the database, but was at % before: it lost what it had',
      ingest.topic, ingest.partition, first_offset, ingest.expected_offset
      using errcode = 'NTI02',
        hint = format('read the partition again from offset %s', first_offset);
  end if;

  -- What belongs to other cells is left out; what names no cluster belongs to the cell of its partition's bucket.
  -- The only cell there is pays for this one row.
  elsewhere := 0;
  select c.buckets into strict owned from cell c;
  if owned <> '{[0,256)}' then
    select coalesce(jsonb_agg(m.element) filter (where m.is_ours), '[]'), count(*) filter (where not m.is_ours),
      greatest(ingest.portion_end, max(m.kafka_offset) + 1)
    into batch, elsewhere, portion_end
    from (
      select e.element, (e.element ->> 'kafka_offset')::bigint as kafka_offset,
        (e.element ->> 'kafka_offset')::bigint < first_offset
          or owned @> coalesce(bucket_of(e.element ->> 'cluster'), ingest.partition % 256) as is_ours
      from jsonb_array_elements(batch) as e (element)
    ) m;
  end if;

  -- for the trigger of new_reports, which marks the clusters
  perform set_config('ccx.backlog_of',
    case when ingest.decide_within is null then '' else position_name end, true);
  perform set_config('ccx.decide_at', coalesce((ingest.at + ingest.decide_within)::text, ''), true);

  select s.stored, s.replaced, s.unchanged into stored, replaced, unchanged
  from store_reports(batch, first_offset, ingest.at) s;

  with message as materialized (
    select *
    from jsonb_to_recordset(batch) as m (
      kafka_offset bigint, org_id bigint, cluster text, request_id text, reason text, detail text, key text, value text,
        headers jsonb, retry_at timestamptz)
  ), refused as (
    insert into rejected_message (
      topic, partition, kafka_offset, reason, detail, key, value, headers, received_at, org_id, cluster, request_id,
        dead_letter_due_at, retry_due_at)
    select ingest.topic, ingest.partition, m.kafka_offset, m.reason, m.detail,
      decode(m.key, 'base64'), decode(m.value, 'base64'), coalesce(m.headers, '{}'), ingest.at, m.org_id,
        m.cluster, m.request_id, case when m.retry_at is null then ingest.at end, m.retry_at
    from message m
    where m.reason is not null and m.kafka_offset >= first_offset
      -- somebody has a partition read again. A topic created anew has other messages at the same offsets.
      and not exists (
        select from rejected_message r
        where r.topic = ingest.topic and r.partition = ingest.partition and r.kafka_offset = m.kafka_offset
          and r.value is not distinct from decode(m.value, 'base64')
          and r.key is not distinct from decode(m.key, 'base64'))
    order by m.kafka_offset
  ), moved as (
    update consumer_offset o
    set next_offset = greatest(o.next_offset, ingest.portion_end, (select max(m.kafka_offset) + 1 from message m)),
      updated_at = ingest.at,
      stored_at = case when stored + replaced > 0 then ingest.at else o.stored_at end,
      high_watermark = coalesce(ingest.high_watermark, o.high_watermark),
      high_watermark_at = case when ingest.high_watermark is null then o.high_watermark_at else ingest.at end,
      is_behind = ingest.decide_within is not null
    where o.topic = ingest.topic and o.partition = ingest.partition
    returning o.next_offset
  )
  select
    (select count(*) from message m where m.reason is not null and m.kafka_offset >= first_offset)::integer,
    (select count(*) from message m where m.kafka_offset < first_offset)::integer,
    (select moved.next_offset from moved)
  into rejected, skipped, next_offset;

  if rejected > 0 then
    perform wake_dead_letters();
  end if;
  if was_behind and ingest.decide_within is null then
    perform wake_decide();
  end if;
  perform set_config('ccx.backlog_of', '', true);
  perform set_config('ccx.decide_at', '', true);
  perform announce('ingested', jsonb_build_object(
    'topic', ingest.topic, 'partition', ingest.partition, 'stored', stored, 'replaced', replaced,
    'unchanged', unchanged, 'rejected', rejected, 'skipped', skipped, 'elsewhere', elsewhere));
  return next;
end $$;

comment on function ccx.ingest(text, integer, jsonb, bigint, timestamptz, bigint, interval, bigint) is
  'Stores one batch of one Kafka partition and moves its offset, at least to portion_end; what was consumed '
  'before is skipped, what another cell owns is elsewhere. Raises NTI01: topic created anew; NTI02: the '
  'database is behind expected_offset.';
