-- One call per Kafka batch of one partition: reports, rejected messages, issues (by trigger) and the consumer
-- offset move together or not at all.
--
-- An element of the batch is {kafka_offset, org_id, account_number, cluster, updated_at, request_id,
-- gathered_at, cluster_version, hits_hash, report}, where report is a text with what is stored of the
-- message's Report as it was written (JavaScript would round large numbers) and hits_hash, which may be left
-- out, is what hits_hash() computes of it, or, for what was rejected, {kafka_offset, reason, detail, key,
-- value, headers} (key, value and header values in base64) with org_id and cluster where they could be read,
-- and retry_at where time may mend it.
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
  position_name constant text := concat_ws('/', ingest.topic, ingest.partition);
begin
  select b.first_offset, b.was_behind into first_offset, was_behind
  from begin_portion(ingest.topic, ingest.partition, ingest.high_watermark, ingest.expected_offset) b;

  elsewhere := 0;
  if (select c.buckets <> '{[0,256)}' from cell c) then
    select s.own, s.elsewhere, s.end_offset into batch, elsewhere, portion_end
    from own_share(batch, ingest.partition, first_offset, portion_end) s;
  end if;

  -- for the trigger of new_reports, which marks the clusters
  perform set_config('ccx.backlog_of',
    case when ingest.decide_within is null then '' else position_name end, true);
  perform set_config('ccx.decide_at', coalesce((ingest.at + ingest.decide_within)::text, ''), true);

  select s.stored, s.replaced, s.unchanged into stored, replaced, unchanged
  from store_reports(batch, first_offset, ingest.at) s;

  select e.rejected, e.skipped, e.next_offset into rejected, skipped, next_offset
  from end_portion(ingest.topic, ingest.partition, 'results', batch, first_offset, ingest.high_watermark,
    ingest.at, stored + replaced > 0, ingest.decide_within is not null, portion_end) e;

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
  'Stores one batch of one Kafka partition and moves its offset, at least to portion_end; skips what was '
  'consumed before, leaves elsewhere what another cell owns. Raises NTI01: topic anew; NTI02: database '
  'behind expected_offset; NTI05: wrong hits_hash.';
