-- The one place that turns messages into rows of new_reports, for ingest() and retry_rejected(). What is
-- stored, replaced or unchanged counts against the table and against the earlier messages of the batch.
--
-- Reports come as texts within the batch, not as JSON in it: to read 1,000 of 2 KB into jsonb and print what
-- is stored of them took 25 ms of 110.
create or replace function ccx.store_reports(
  batch jsonb,
  from_offset bigint,
  at timestamptz
) returns table (stored integer, replaced integer, unchanged integer)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  errors_before bigint := pg_sequence_last_value(pg_get_serial_sequence('read_errors', 'error_id'));
begin
  perform ensure_partition('new_reports', day)
  from (
    select distinct (m.updated_at at time zone 'UTC')::date as day
    from jsonb_to_recordset(batch) as m (updated_at timestamptz)
    where m.updated_at
      between greatest(store_reports.at - interval '14 days',
        retention_horizon('new_reports', store_reports.at))
      and store_reports.at + interval '1 day'
  ) days
  where to_regclass('new_reports_' || to_char(day, 'YYYYMMDD')) is null
  order by day;

  -- what does not conform is refused (tg_new_reports__issues)
  perform set_config('ccx.ingesting', 'on', true);
  return query
  with accepted as materialized (
    select m.org_id, m.cluster collate "C" as cluster, m.updated_at, m.account_number, m.kafka_offset,
      -- rejected messages of several partitions: in the order of their arrival
      coalesce(m.id, m.kafka_offset) as nth,
      m.report, m.request_id, m.gathered_at, m.cluster_version, m.traceparent, m.hits_hash
    from jsonb_to_recordset(batch) as m (
      id bigint, kafka_offset bigint, reason text,
      org_id bigint, account_number bigint, cluster text, updated_at timestamptz, report text,
      request_id text, gathered_at timestamptz, cluster_version text, traceparent text, hits_hash bigint)
    where m.reason is null and m.kafka_offset >= store_reports.from_offset
  ), versioned as materialized (
    -- one key several times: the same upload run again, the last one counts
    select a.*,
      coalesce(lag(a.report) over same_key, r.report) as earlier_report,
      lead(a.nth) over same_key is null as is_last
    from accepted a
    left join new_reports r
      on r.org_id = a.org_id and r.cluster = a.cluster and r.updated_at = a.updated_at
    window same_key as (partition by a.org_id, a.cluster, a.updated_at order by a.nth)
  ), written as (
    insert into new_reports as r (org_id, account_number, cluster, report, updated_at, kafka_offset,
      received_at, request_id, gathered_at, cluster_version, traceparent, hits_hash)
    select v.org_id, v.account_number, v.cluster, v.report, v.updated_at, v.kafka_offset, store_reports.at,
      v.request_id, v.gathered_at, v.cluster_version, v.traceparent, v.hits_hash
    from versioned v
    where v.is_last
    order by v.org_id, v.cluster, v.updated_at
    on conflict (org_id, cluster, updated_at) do update
    set account_number = excluded.account_number,
        report = excluded.report,
        kafka_offset = excluded.kafka_offset,
        received_at = excluded.received_at,
        request_id = excluded.request_id,
        gathered_at = excluded.gathered_at,
        cluster_version = excluded.cluster_version,
        traceparent = excluded.traceparent,
        hits_hash = excluded.hits_hash
    where r.report is distinct from excluded.report
  )
  select
    count(*) filter (where v.earlier_report is null)::integer,
    count(*) filter (where v.earlier_report <> v.report)::integer,
    count(*) filter (where v.earlier_report = v.report)::integer
  from versioned v;
  perform set_config('ccx.ingesting', '', true);

  -- What other programs insert may be unreadable; of messages we promise that they are rejected. Our parser
  -- has let it pass, so this is rare: we look only when somebody has written to read_errors since.
  if errors_before is distinct from pg_sequence_last_value(pg_get_serial_sequence('read_errors', 'error_id'))
    and exists (
      select
      from jsonb_to_recordset(batch) as m (
        kafka_offset bigint, reason text, org_id bigint, cluster text, updated_at timestamptz, report text)
      where m.reason is null
        and m.kafka_offset >= store_reports.from_offset
        and not pg_input_is_valid(m.report, 'jsonb'))
  then
    raise exception 'report is not valid JSON' using errcode = 'invalid_text_representation';
  end if;
end $$;

comment on function ccx.store_reports(jsonb, bigint, timestamptz) is
  'Stores the reports of a batch (what has a reason, or comes before from_offset, is passed over); says how '
  'many were new, had other content before, or were there already. Raises 22P02 (no JSON), NTI05 (wrong '
  'hash).';
