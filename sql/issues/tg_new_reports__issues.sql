-- Keeps latest_report, issue, occurrence and decision_due in step with new_reports, whoever inserts: once per
-- statement, set by set. A report whose hits did not change, by their hash, is not looked at beyond that.
--
-- The row lock on latest_report makes concurrent statements take turns per cluster, the one on decision_due
-- makes them take turns with decisions. The clock is read under both: a decision at a later time has seen
-- these reports, one at an earlier time has not, and that is what known_from and known_until say.
create or replace function ccx.tg_new_reports__issues() returns trigger
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
as $$
declare
  all_are_json boolean := true;
  is_ingesting constant boolean := coalesce(current_setting('ccx.ingesting', true), '') = 'on';
  is_wrong boolean;
  names bigint;
  reports arrived_report[];
  marked record;
  seen_at timestamptz;
  hits seen_hit[];
begin
  if not exists (select from arrived) then
    return null;
  end if;
  names := names_hash();
  -- No later report would count until then. Other programs are not refused it: it is stored, noted, and no
  -- report. ingest() rejects the message, and stores the others of its batch.
  if exists (
    select from arrived a
    where a.updated_at > now() + interval '5 minutes' or not isfinite(a.updated_at)) then
    if is_ingesting
      or exists (select from arrived a where not isfinite(a.updated_at))
    then
      raise exception 'a report cannot be of a time that is infinite or more than five minutes ahead'
        using errcode = 'check_violation', table = 'new_reports', column = 'updated_at';
    end if;
    insert into read_errors (org_id, cluster, updated_at, error_text)
    select a.org_id, a.cluster, a.updated_at, 'report is of a time that is still to come'
    from arrived a
    where a.updated_at > now() + interval '5 minutes';
  end if;

  loop
    -- A hash that came with a report by way of ingest() is believed, but for one in 37, and where more than
    -- the hash is needed (below). All others are JSON, as a rule: read once (`offset 0`: the planner would
    -- write the cast out wherever it is used). Only where one is not is each looked at first.
    begin
      select array_agg((a.org_id, a.cluster, a.updated_at, least(a.received_at, now()), a.account_number,
          a.request_id, a.gathered_at, a.cluster_version, h.hash # names)::arrived_report),
        bool_or(is_ingesting and a.hits_hash <> h.hash)
      into reports, is_wrong
      from arrived a
      cross join lateral (
        select case
          when a.updated_at > now() + interval '5 minutes' then null
          when is_ingesting and a.hits_hash is not null and a.kafka_offset % 37 <> 0 then a.hits_hash
          else (
            select h.hash
            from (
              select case when all_are_json
                then a.report::jsonb else readable_report(a.report) end as report offset 0
            ) readable
            cross join lateral hits_hash(readable.report) h
            where readable.report is not null) end as hash offset 0
      ) h;
      exit;
    exception when data_exception or program_limit_exceeded then
      if not all_are_json then
        raise;
      end if;
      all_are_json := false;
    end;
    insert into read_errors (org_id, cluster, updated_at, error_text)
    select a.org_id, a.cluster, a.updated_at, 'report is not valid JSON'
    from arrived a
    where not pg_input_is_valid(a.report, 'jsonb');
  end loop;

  select * into marked from advance_latest_reports(reports, tg_op = 'UPDATE');
  if marked.clusters is null then
    return null;
  end if;
  -- ingest() says whether more of the partition follows; nobody else does
  perform mark_due(marked.org_ids, marked.clusters, array_fill(true, array[cardinality(marked.clusters)]),
    coalesce(nullif(current_setting('ccx.decide_at', true), '')::timestamptz, now()),
    nullif(current_setting('ccx.backlog_of', true), ''));
  seen_at := clock_timestamp();

  -- under the lock of decision_due, which a rename waits for: their names are those of now
  select array_agg((marked.ordinals[a.place], a.org_id, a.cluster, a.updated_at, marked.received_ats[a.place],
      a.account_number, h.component, h.error_key)::seen_hit),
    is_wrong is true or bool_or(is_ingesting and a.hits_hash <> readable.hash)
  into hits, is_wrong
  from (select row_number() over () as place, a.* from arrived a) a
  cross join lateral (
    select r.report, case when is_ingesting and a.hits_hash is not null then (
      select h.hash from hits_hash(r.report) h) end as hash
    from (select a.report::jsonb as report offset 0) r
    where marked.ordinals[a.place] > 0
    offset 0
  ) readable
  left join lateral report_hits(readable.report) h on true;
  if is_wrong then
    raise exception 'a report came with a hash that is not that of its hits' using errcode = 'NTI05';
  end if;
  hits := renamed_hits(hits);
  if hits is not null then
    perform add_rules(hits);
  end if;
  if marked.to_settle is not null then
    hits := settle_owners(hits, marked.to_settle);
  end if;
  hits := keep_changed(hits);
  if hits is not null then
    perform apply_hits(hits, seen_at);
  end if;
  perform wake_decide();
  -- no decision would see a report that has not arrived yet, and none would be taken when its time has come
  if exists (select from arrived a where a.received_at > now()) then
    update new_reports r
    set received_at = now()
    from arrived a
    where a.received_at > now()
      and r.org_id = a.org_id and r.cluster = a.cluster and r.updated_at = a.updated_at;
  end if;
  return null;
end $$;
-- or whoever can make a table of his own could attach it there, and run it on rows of his own
revoke execute on function ccx.tg_new_reports__issues() from public;

comment on function ccx.tg_new_reports__issues() is
  'Trigger of new_reports: keeps latest_report, issue, occurrence and decision_due in step with the reports '
  'of one statement.';
