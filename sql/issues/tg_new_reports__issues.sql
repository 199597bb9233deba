-- Keeps latest_report, issue, occurrence and decision_due in step with new_reports, whoever inserts: once per
-- statement, set by set. A report whose hits did not change writes nothing to issue and occurrence.
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
  hits seen_hit[];
  to_settle text[];
  seen_at timestamptz;
begin
  if not exists (select from arrived) then
    return null;
  end if;
  -- No later report would count until then. Other programs are not refused it: it is stored, noted, and no
  -- report. ingest() rejects the message, and stores the others of its batch.
  if exists (
    select from arrived a
    where a.updated_at > now() + interval '5 minutes' or not isfinite(a.updated_at)) then
    if current_setting('ccx.ingesting', true) = 'on'
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
    -- All of them are JSON, as a rule: read once (`offset 0`: the planner would write the cast out wherever
    -- it is used). Only where one is not is each looked at first.
    begin
      select array_agg((a.nth, a.org_id, a.cluster, a.updated_at, least(a.received_at, now()),
        a.account_number, h.component, h.error_key, a.request_id, a.gathered_at, a.cluster_version)::seen_hit)
      into hits
      from (
        select row_number() over ()::integer as nth, a.*
        from arrived a
        where a.updated_at <= now() + interval '5 minutes'
      ) a
      cross join lateral (
        select case when all_are_json
          then a.report::jsonb else readable_report(a.report) end as report offset 0
      ) readable
      left join lateral report_hits(readable.report) h on true
      where readable.report is not null;
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

  hits := renamed_hits(hits);
  select a.fresh_hits, a.to_settle into hits, to_settle
  from advance_latest_reports(hits, tg_op = 'UPDATE') a;
  if hits is null then
    return null;
  end if;
  perform add_rules(hits);
  -- ingest() says whether more of the partition follows; nobody else does
  perform mark_due(array_agg(h.org_id), array_agg(h.cluster), true,
    coalesce(nullif(current_setting('ccx.decide_at', true), '')::timestamptz, now()),
    nullif(current_setting('ccx.backlog_of', true), ''))
  from unnest(hits) h;
  seen_at := clock_timestamp();
  if to_settle is not null then
    hits := settle_owners(hits, to_settle);
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
