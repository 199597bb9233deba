--! Previous: sha1:5577118fbbccb99b5dba7caa28e053eee298b87b
--! Hash: sha1:eebcb5cfbdb2ce69e487dbe2ccbc0edbe1c2ca30
--! Message: faster

-- Speed: reports are passed on as they were written, and what did not change is left out early.
-- Retention: how long the tables that have a partition for each day keep theirs.
create table retention (
  parent text primary key check (parent in ('new_reports', 'reported')),
  keep interval not null check (keep >= interval '1 day' and keep <= interval '100 years'),
  changed_by text not null default session_user,
  changed_at timestamptz not null default now()
);
comment on table retention is 'how long each table that is partitioned by day keeps its days (set_retention); the longest cooldown counts where it is longer';
comment on column retention.parent is 'new_reports or reported';
comment on column retention.keep is 'how long a day is kept after it has ended';
comment on column retention.changed_by is 'who set it';
comment on column retention.changed_at is 'when it was set';
insert into retention (parent, keep) values ('new_reports', '8 days'), ('reported', '8 days');
-- what people ask about an organization read all issues
create index issue_org_idx on issue (org_id);
--! Included issues/tg_new_reports__issues.sql
-- Keeps latest_report, issue, occurrence and decision_due in step with new_reports, whoever inserts: once per statement,
-- set by set. A report whose hits did not change writes nothing to issue and occurrence.
--
-- Several reports of one cluster in one statement are taken in the order of their own time, so an issue that goes
-- and comes back inside one batch counts as two occurrences, as if they had arrived one by one.
-- A replaced newest report (the same upload run again) counts like one more report: what is open is right, but an issue
-- that only the replaced version had, or lacked, has one occurrence more than the stored rows show.
--
-- The row lock on latest_report makes concurrent statements take turns per cluster, the one on decision_due makes them take
-- turns with decisions. The clock is read under both: a decision at a later time has seen these reports, one at an earlier
-- time has not, and that is what known_from and known_until say. A writer that gives a received_at of its own is believed, unless its
-- clock is ahead of ours.
create or replace function tg_new_reports__issues() returns trigger
language plpgsql volatile
set search_path = public, pg_temp
as $$
declare
  -- the hits of the reports; a report without hits has one row with nulls
  reports integer[];   -- which report
  orgs bigint[];
  clusters text[];
  ordinals integer[];  -- 1 for the oldest of the new reports of a cluster, then 2, …
  times timestamptz[];
  arrivals timestamptz[];
  accounts bigint[];
  components text[];
  error_keys text[];
  seen_at timestamptz;
begin
  if not exists (select from arrived) then
    return null;
  end if;

  -- All of them are JSON, as a rule: read once (`offset 0`: the planner would write the cast out wherever it is used). Only
  -- where one is not is each looked at first.
  begin
    select array_agg(nth), array_agg(org_id), array_agg(cluster), array_agg(updated_at), array_agg(received_at),
      array_agg(account_number), array_agg(component), array_agg(error_key)
    into reports, orgs, clusters, times, arrivals, accounts, components, error_keys
    from (select row_number() over ()::integer as nth, a.* from arrived a) a
    cross join lateral (select a.report::jsonb as report offset 0) readable
    left join lateral report_hits(readable.report) on true;
  exception when data_exception or program_limit_exceeded then
    insert into read_errors (org_id, cluster, updated_at, error_text)
    select org_id, cluster, updated_at, 'report is not valid JSON'
    from arrived
    where not pg_input_is_valid(report, 'jsonb');

    select array_agg(nth), array_agg(org_id), array_agg(cluster), array_agg(updated_at), array_agg(received_at),
      array_agg(account_number), array_agg(component), array_agg(error_key)
    into reports, orgs, clusters, times, arrivals, accounts, components, error_keys
    from (select row_number() over ()::integer as nth, a.* from arrived a) a
    cross join lateral (select readable_report(a.report) as report offset 0) readable
    left join lateral report_hits(readable.report) on true
    where readable.report is not null;
  end;

  -- what is newer than what we knew
  with hit as materialized (
    select *
    from unnest(reports, orgs, clusters, times, arrivals, accounts, components, error_keys)
      as f (nth, org_id, cluster, updated_at, received_at, account_number, component, error_key)
  ), report as materialized (
    select distinct on (nth) nth, org_id, cluster, updated_at, received_at, account_number
    from hit
  ), advanced as (
    insert into latest_report as l (org_id, cluster, updated_at, account_number, received_at)
    select distinct on (org_id, cluster) org_id, cluster, updated_at, account_number, received_at
    from report
    order by org_id, cluster, updated_at desc
    on conflict (org_id, cluster) do update
    set previous_at = case when excluded.updated_at > l.updated_at then l.updated_at else l.previous_at end,
        updated_at = excluded.updated_at,
        account_number = excluded.account_number,
        received_at = excluded.received_at
    -- the same time again is the same upload run again: it counts only when the row itself was replaced
    where excluded.updated_at > l.updated_at
       or (excluded.updated_at = l.updated_at and tg_op = 'UPDATE')
    returning l.org_id, l.cluster, l.updated_at, l.previous_at
  ), fresh as materialized (
    select r.nth,
      -- replaced by somebody who left received_at as it was: known from now on, not since then
      case when tg_op = 'UPDATE' and r.received_at = (
          select before.received_at
          from latest_report before
          where before.org_id = r.org_id and before.cluster = r.cluster)
        then now() else r.received_at end as received_at,
      row_number() over (partition by r.org_id, r.cluster order by r.updated_at)::integer as ordinal
    from report r
    join advanced a using (org_id, cluster)
    where case tg_op when 'UPDATE' then r.updated_at = a.updated_at
                     else a.previous_at is null or r.updated_at > a.previous_at end
  )
  select array_agg(h.org_id), array_agg(h.cluster), array_agg(f.ordinal), array_agg(h.updated_at),
    array_agg(f.received_at), array_agg(h.component), array_agg(h.error_key)
  into orgs, clusters, ordinals, times, arrivals, components, error_keys
  from fresh f
  join hit h using (nth);

  if orgs is null then
    return null;
  end if;

  insert into rule (component, error_key)
  select distinct component, error_key
  from unnest(components, error_keys) as hit (component, error_key)
  where component is not null
    and not exists (select from rule r where r.component = hit.component and r.error_key = hit.error_key)
  order by component, error_key
  on conflict do nothing;

  insert into decision_due as d (org_id, cluster, by_report)
  select distinct org_id, cluster, true
  from unnest(orgs, clusters) as due (org_id, cluster)
  order by org_id, cluster
  -- an update, not "do nothing": a row that a decision holds right now may be deleted, and this one must not be lost
  on conflict (org_id, cluster) do update set by_report = true;
  seen_at := clock_timestamp();

  -- Most reports say what the one before them said. They need nothing more, and to leave them out here is half of what a
  -- batch took.
  with hit as materialized (
    select *
    from unnest(orgs, clusters, ordinals, times, arrivals, components, error_keys)
      as f (org_id, cluster, ordinal, updated_at, received_at, component, error_key)
  ), changed as materialized (
    select h.org_id, h.cluster
    from hit h
    left join rule r on r.component = h.component and r.error_key = h.error_key
    group by h.org_id, h.cluster
    having max(h.ordinal) > 1
      or coalesce(array_agg(r.id order by r.id) filter (where r.id is not null), '{}') <> array(
        select i.rule_id
        from issue i
        where i.cluster = h.cluster and i.org_id = h.org_id and i.closed_at is null
        order by i.rule_id)
  )
  select array_agg(h.org_id), array_agg(h.cluster), array_agg(h.ordinal), array_agg(h.updated_at),
    array_agg(h.received_at), array_agg(h.component), array_agg(h.error_key)
  into orgs, clusters, ordinals, times, arrivals, components, error_keys
  from hit h
  join changed using (org_id, cluster);

  if orgs is null then
    perform wake_decide();
    return null;
  end if;

  with hit as materialized (
    select *
    from unnest(orgs, clusters, ordinals, times, arrivals, components, error_keys)
      as f (org_id, cluster, ordinal, updated_at, received_at, component, error_key)
  ), report as materialized (
    select r.org_id, r.cluster, r.ordinal, r.updated_at,
      max(r.known_at) over (partition by r.org_id, r.cluster order by r.ordinal) as known_at
    from (
      select distinct h.org_id, h.cluster, h.ordinal, h.updated_at,
        case when h.received_at between now() and now() + interval '1 day' then seen_at else h.received_at end as known_at
      from hit h
    ) r
  ), sighting as (
    -- opens: not in the report before this one
    select h.org_id, h.cluster, r.id as rule_id, i.id as issue_id, coalesce(i.occurrence, 0) as occurrence,
      h.ordinal, h.updated_at,
      h.ordinal is distinct from 1 + coalesce(
        lag(h.ordinal) over (partition by h.org_id, h.cluster, r.id order by h.ordinal),
        case when i.id is not null and i.closed_at is null then 0 end) as opens
    from hit h
    join rule r on r.component = h.component and r.error_key = h.error_key
    left join issue i on i.org_id = h.org_id and i.cluster = h.cluster and i.rule_id = r.id
  ), numbered as (
    -- the sightings of one occurrence; 0 is the one that was open before
    select s.*,
      count(*) filter (where s.opens) over (partition by s.org_id, s.cluster, s.rule_id order by s.ordinal)::integer as nth
    from sighting s
  ), stretch as (
    select n.org_id, n.cluster, n.rule_id, n.issue_id, n.occurrence, n.nth,
      min(n.ordinal) as first_ordinal, max(n.ordinal) as last_ordinal
    from numbered n
    group by n.org_id, n.cluster, n.rule_id, n.issue_id, n.occurrence, n.nth
  ), seen as materialized (
    -- one row for each issue; what it needs of its occurrences travels along as arrays, since the planner, which expects
    -- one row of each, would compare all with all
    select coalesce(s.issue_id, nextval(pg_get_serial_sequence('issue', 'id'))) as id, s.*
    from (
      select s.org_id, s.cluster, s.rule_id, s.issue_id, s.occurrence,
        max(s.nth) as openings,
        min(first.updated_at) as first_seen,
        max(first.updated_at) filter (where s.nth > 0) as opened_at,
        (array_agg(gone.updated_at order by s.nth desc))[1] as closed_at,
        array_agg(s.nth) as nths,
        array_agg(first.updated_at) as opened_ats,
        array_agg(gone.updated_at) as closed_ats,
        array_agg(first.known_at) as known_froms,
        array_agg(gone.known_at) as known_untils
      from stretch s
      join report first
        on first.org_id = s.org_id and first.cluster = s.cluster and first.ordinal = s.first_ordinal
      left join report gone
        on gone.org_id = s.org_id and gone.cluster = s.cluster and gone.ordinal = s.last_ordinal + 1
      group by s.org_id, s.cluster, s.rule_id, s.issue_id, s.occurrence
    ) s
  ), added as (
    insert into issue (id, org_id, cluster, rule_id, first_seen, opened_at, closed_at, occurrence)
    overriding system value
    select id, org_id, cluster, rule_id, first_seen, opened_at, closed_at, openings
    from seen
    where issue_id is null
    order by org_id, cluster, rule_id
  ), reopened_or_closed as (
    update issue i
    set opened_at = coalesce(s.opened_at, i.opened_at),
        closed_at = s.closed_at,
        occurrence = i.occurrence + s.openings
    from seen s
    where i.id = s.issue_id
      and (s.openings > 0 or s.closed_at is not null)
  ), began as (
    insert into occurrence (issue_id, occurrence, opened_at, closed_at, known_from, known_until)
    -- a clock may have gone back since the occurrence before it: an issue is never open twice at one time
    select s.id, s.occurrence + o.nth, o.opened_at, o.closed_at, greatest(o.known_from, before.known_at),
      case when o.known_until is not null then greatest(o.known_until, before.known_at) end
    from seen s
    cross join lateral (
      select (
        select greatest(b.known_from, b.known_until)
        from occurrence b
        where b.issue_id = s.issue_id and b.occurrence = s.occurrence) as known_at
      offset 0
    ) before
    cross join lateral unnest(s.nths, s.opened_ats, s.closed_ats, s.known_froms, s.known_untils)
      as o (nth, opened_at, closed_at, known_from, known_until)
    where o.nth > 0
    order by s.id, o.nth
  ), closed as (
    update issue i
    set closed_at = first_without.updated_at
    from report first_without
    where first_without.ordinal = 1
      and i.org_id = first_without.org_id
      and i.cluster = first_without.cluster
      and i.closed_at is null
      -- `not in` is always hashed; `not exists` became a nested loop, since the planner expects one row of seen:
      -- 327 ms of the 372 ms that a batch of 1,000 reports took
      and i.id not in (select s.issue_id from seen s where s.issue_id is not null)
    returning i.id, i.occurrence, i.closed_at, first_without.known_at as known_until
  ), ended as (
    select c.id, c.occurrence, c.closed_at, c.known_until
    from closed c
    union all
    select s.issue_id, s.occurrence, o.closed_at, o.known_until
    from seen s
    cross join lateral unnest(s.nths, s.closed_ats, s.known_untils) as o (nth, closed_at, known_until)
    where o.nth = 0 and o.closed_at is not null
    union all
    -- open before, gone in the first of these reports and back in a later one
    select s.issue_id, s.occurrence, first_without.updated_at, first_without.known_at
    from seen s
    join report first_without
      on first_without.org_id = s.org_id and first_without.cluster = s.cluster and first_without.ordinal = 1
    where s.issue_id is not null and 0 <> all (s.nths)
  )
  update occurrence o
  set closed_at = e.closed_at, known_until = greatest(e.known_until, o.known_from)
  from ended e
  where o.issue_id = e.id and o.occurrence = e.occurrence and o.closed_at is null;

  perform wake_decide();
  return null;
end $$;

comment on function tg_new_reports__issues() is
  'Trigger of new_reports: keeps latest_report, issue, occurrence and decision_due in step with the reports of one statement.';

create or replace trigger _100_issues_of_inserted after insert on new_reports
  referencing new table as arrived
  for each statement execute function tg_new_reports__issues();

create or replace trigger _100_issues_of_replaced after update on new_reports
  referencing new table as arrived
  for each statement execute function tg_new_reports__issues();
--! EndIncluded issues/tg_new_reports__issues.sql
--! Included ingest/store_reports.sql
-- The one place that turns messages into rows of new_reports, for ingest() and retry_rejected(). What is stored, replaced
-- or unchanged counts against the table and against the earlier messages of the batch.
--
-- Reports come as texts within the batch, not as JSON in it: to read 1,000 of 2 KB into jsonb and print what is stored of them
-- took 25 ms of 110.
create or replace function store_reports(
  batch jsonb,
  from_offset bigint,
  at timestamptz
) returns table (stored integer, replaced integer, unchanged integer)
language plpgsql volatile
set search_path = public, pg_temp
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
      between greatest(store_reports.at - interval '14 days', retention_horizon('new_reports', store_reports.at))
      and store_reports.at + interval '1 day'
  ) days
  where to_regclass('new_reports_' || to_char(day, 'YYYYMMDD')) is null
  order by day;

  return query
  with accepted as materialized (
    select m.org_id, m.cluster collate "C" as cluster, m.updated_at, m.account_number, m.kafka_offset,
      coalesce(m.id, m.kafka_offset) as nth, -- rejected messages of several partitions: in the order of their arrival
      m.report
    from jsonb_to_recordset(batch) as m (
      id bigint, kafka_offset bigint, reason text,
      org_id bigint, account_number bigint, cluster text, updated_at timestamptz, report text)
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
    insert into new_reports as r (org_id, account_number, cluster, report, updated_at, kafka_offset, received_at)
    select v.org_id, v.account_number, v.cluster, v.report, v.updated_at, v.kafka_offset, store_reports.at
    from versioned v
    where v.is_last
    order by v.org_id, v.cluster, v.updated_at
    on conflict (org_id, cluster, updated_at) do update
    set account_number = excluded.account_number,
        report = excluded.report,
        kafka_offset = excluded.kafka_offset,
        received_at = excluded.received_at
    where r.report is distinct from excluded.report
  )
  select
    count(*) filter (where v.earlier_report is null)::integer,
    count(*) filter (where v.earlier_report <> v.report)::integer,
    count(*) filter (where v.earlier_report = v.report)::integer
  from versioned v;

  -- What other programs insert may be unreadable; of messages we promise that they are rejected. Our parser has let it pass, so
  -- this is rare: we look only when somebody has written to read_errors since.
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

comment on function store_reports(jsonb, bigint, timestamptz) is
  'Stores the reports of a batch (what has a reason, or comes before from_offset, is passed over); says how many were new, had other content before, or were there already. Raises 22P02 when one is not JSON.';
--! EndIncluded ingest/store_reports.sql
--! Included ingest/ingest.sql
-- One call per Kafka batch of one partition: reports, rejected messages, issues (by trigger) and the consumer offset
-- move together or not at all.
--
-- An element of the batch is {kafka_offset, org_id, account_number, cluster, updated_at, report}, where report is a text with
-- what is stored of the message's Report as it was written (JavaScript would round large numbers), or, for what was rejected,
-- {kafka_offset, reason, detail, key, value, headers} (key, value and header values in base64) with org_id and cluster where they
-- could be read.
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

  select s.stored, s.replaced, s.unchanged into stored, replaced, unchanged
  from store_reports(batch, first_offset, ingest.at) s;

  with message as materialized (
    select *
    from jsonb_to_recordset(batch) as m (
      kafka_offset bigint, org_id bigint, cluster text, reason text, detail text, key text, value text, headers jsonb)
  ), refused as (
    insert into rejected_message (
      topic, partition, kafka_offset, reason, detail, key, value, headers, received_at, org_id, cluster, dead_letter_due_at)
    select ingest.topic, ingest.partition, m.kafka_offset, m.reason, m.detail,
      decode(m.key, 'base64'), decode(m.value, 'base64'), coalesce(m.headers, '{}'), ingest.at, m.org_id, m.cluster, ingest.at
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
    set next_offset = greatest(o.next_offset, (select max(m.kafka_offset) + 1 from message m)), updated_at = ingest.at
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
  perform announce('ingested', jsonb_build_object(
    'topic', ingest.topic, 'partition', ingest.partition, 'stored', stored, 'replaced', replaced,
    'unchanged', unchanged, 'rejected', rejected, 'skipped', skipped));
  return next;
end $$;

comment on function ingest(text, integer, jsonb, bigint, timestamptz) is
  'Stores one batch of one Kafka partition, reports and rejected messages, and moves its offset along; what was consumed before is skipped. Raises CX001 when the topic was created anew.';
--! EndIncluded ingest/ingest.sql
--! Included decide/decide_due.sql
-- Decides for the clusters that wait longest, for all targets: ledger, outbox, reported and the wake-up of the
-- delivery commit together.
--
-- Taking the rows of decision_due is a statement of its own: only a later statement's snapshot is sure to see the
-- reports that were committed before we got the row lock. The clock is read after it, too: then the reports that this
-- decision saw are exactly those that were known by its time, and decide(…, at) gives the same answer for ever.
create or replace function decide_due(batch_size integer, at timestamptz default null)
returns table (clusters integer, notifications integer, told integer, held integer)
language plpgsql volatile
set search_path = public, pg_temp
-- a thousand clusters of a million: whatever statistics say, look them up by index, in the order in which decide() names its tables
set random_page_cost = 1.1
set join_collapse_limit = 1
set max_parallel_workers_per_gather = 0
as $$
#variable_conflict use_column
declare
  orgs bigint[];
  names text[];
  by_report boolean[];
  told_issues told_issue[];
  target text;
begin
  -- first, since the sweep takes the lock of it before rows of decision_due, too
  perform ensure_partition('reported', (coalesce(at, clock_timestamp()) at time zone 'UTC')::date);
  perform take_decision_request(batch_size, coalesce(at, clock_timestamp()));

  -- by row address: joined by name, the planner compared all with all whenever statistics said that this queue is empty
  with taken as (
    delete from decision_due d
    where d.ctid = any (array(
      select due.ctid
      from decision_due due
      order by due.due_at
      limit batch_size
      for update skip locked))
    returning d.org_id, d.cluster, d.by_report
  )
  select array_agg(t.org_id), array_agg(t.cluster), array_agg(t.by_report)
  into orgs, names, by_report
  from taken t;

  at := coalesce(at, clock_timestamp());
  clusters := coalesce(cardinality(orgs), 0);
  notifications := 0;
  told := 0;
  held := 0;
  if clusters = 0 then
    return next;
    return;
  end if;

  -- `execute` plans anew each time, with the clusters at hand: a plan kept for any clusters, or none, reads all issues.
  -- (plan_cache_mode on the function does that too, but also plans every foreign key check anew: 290 ms against 155.)
  -- Of what is held only the outcome is kept: to carry all answers along as rows of a type cost as much as the decision.
  execute $query$
    with answer as materialized (
      select d.target_id, d.org_id, d.cluster, d.issue_id, d.occurrence, d.content_id, d.policy_id, d.last_seen, d.total_risk,
        d.issue_state = 'resolved' as resolved, d.decision = 'notify' as is_told, d.qualifies,
        'target_disabled' = any (d.reasons) as is_off, d.last_told_at, due.by_report
      from decide(null, $1, $3) d
      join unnest($2, $3, $4) as due (org_id, cluster, by_report) on due.org_id = d.org_id and due.cluster = d.cluster
    ), renewed as (
      -- The ledger's periods follow a cooldown that changed since (decide() counts by the policy in force, the constraint by
      -- the period in the row). Looked up only for what was told before the last change, or not long after it: a change counts
      -- from the beginning of its transaction, and decisions that were taken before its end did not know it.
      update notified_issue n
      set cooldown_period = cooldown_period(n.told_at, p.cooldown)
      from (
        select a.issue_id, a.target_id, a.policy_id, a.last_told_at
        from answer a
        join (
          select q.target_id, max(bound.at) as at
          from policy q
          cross join lateral (values (lower(q.validity)), (upper(q.validity))) bound (at)
          where bound.at <= $1
          group by q.target_id
        ) changed on changed.target_id = a.target_id and a.last_told_at < changed.at + interval '1 day'
        offset 0
      ) a
      join policy p on p.id = a.policy_id
      where n.issue_id = a.issue_id
        and n.target_id = a.target_id
        and n.told_at = a.last_told_at
        and n.live
        and not n.resolved
        and n.cooldown_period <> cooldown_period(n.told_at, p.cooldown)
    ), recorded as (
      -- reports that nobody is told about, at once; the others when their delivery has ended
      insert into reported
        (org_id, account_number, cluster, notification_type, state, report, updated_at, notified_at, error_log, event_type_id)
      select a.org_id, l.account_number, a.cluster, 1, case when a.qualifies then 2 else 3 end, '', l.updated_at, $1, '',
        a.target_id
      from (
        select a.org_id, a.cluster, a.target_id, bool_or(a.qualifies) as qualifies
        from answer a
        where a.by_report
        group by a.org_id, a.cluster, a.target_id
        having not bool_or(a.is_told) and not bool_and(a.is_off)
      ) a
      join latest_report l on l.org_id = a.org_id and l.cluster = a.cluster
      on conflict do nothing
    )
    select
      coalesce(array_agg((a.target_id, a.org_id, a.cluster, a.issue_id, a.occurrence, a.content_id, a.policy_id, a.last_seen,
        a.total_risk, a.resolved)::told_issue) filter (where a.is_told), '{}'),
      count(*) filter (where not a.is_told)
    from answer a
  $query$
  into told_issues, held
  using at, orgs, names, by_report;

  with telling as (
    -- one message holds at most max_events issues of one cluster, all of them open or all of them gone; where its
    -- issues follow several policies, the smallest max_events counts
    select i.*, p.cooldown,
      (row_number() over (
        partition by i.target_id, i.org_id, i.cluster, i.resolved
        order by i.total_risk desc, i.issue_id) - 1)
      / min(p.max_events) over (partition by i.target_id, i.org_id, i.cluster, i.resolved) as message
    from unnest(told_issues) i
    join policy p on p.id = i.policy_id
  ), message as materialized (
    -- the issues travel along as arrays: joined back to their message, the planner, which expects one row of each,
    -- compared all with all (300 ms for the 2,000 issues of 1,000 clusters)
    select nextval(pg_get_serial_sequence('notification', 'id')) as id, m.*
    from (
      select t.target_id, t.org_id, t.cluster, t.resolved, t.message, t.last_seen,
        array_agg(t.issue_id) as issue_ids, array_agg(t.occurrence) as occurrences,
        array_agg(t.content_id) as content_ids, array_agg(t.policy_id) as policy_ids, array_agg(t.cooldown) as cooldowns
      from telling t
      group by t.target_id, t.org_id, t.cluster, t.resolved, t.message, t.last_seen
      order by t.target_id, t.org_id, t.cluster, t.resolved, t.message
    ) m
  ), sent_to_outbox as (
    insert into notification
      (id, target_id, org_id, account_number, cluster, updated_at, decided_at, next_attempt_at, resolved)
    select m.id, m.target_id, m.org_id, l.account_number, m.cluster, coalesce(m.last_seen, l.updated_at), at, at, m.resolved
    from message m
    join latest_report l on l.org_id = m.org_id and l.cluster = m.cluster
  ), ledger as (
    insert into notified_issue
      (notification_id, issue_id, target_id, told_at, cooldown_period, occurrence, content_id, policy_id, resolved)
    select m.id, i.issue_id, m.target_id, at, cooldown_period(at, i.cooldown),
      i.occurrence, i.content_id, i.policy_id, m.resolved
    from message m
    cross join lateral unnest(m.issue_ids, m.occurrences, m.content_ids, m.policy_ids, m.cooldowns)
      as i (issue_id, occurrence, content_id, policy_id, cooldown)
    order by i.issue_id, m.target_id
    -- somebody else wrote to the ledger since we decided: the constraint is right
    on conflict do nothing
    returning notification_id
  )
  select count(distinct l.notification_id), count(*) into notifications, told from ledger l;

  -- a message all of whose issues the ledger refused has nothing to say
  if told < cardinality(told_issues) then
    delete from notification n
    where n.decided_at = decide_due.at
      and n.state = 'pending'
      and (n.org_id, n.cluster) in (select o, c from unnest(orgs, names) as due (o, c))
      and not exists (select from notified_issue i where i.notification_id = n.id);
  end if;

  perform announce('decided', jsonb_build_object(
    'clusters', clusters, 'notifications', notifications, 'told', told, 'held', held));

  -- The last statement, since the jobs' rows stay locked until we commit; in the same order for everybody, since two
  -- decisions at once would wait for each other in a circle.
  for target in
    select t.name
    from event_targets t
    where t.id in (select i.target_id from unnest(told_issues) i)
    order by t.id
  loop
    perform wake_delivery(target);
  end loop;
  return next;
end $$;

comment on function decide_due(integer, timestamptz) is
  'Decides for up to batch_size waiting clusters and commits ledger, outbox, reported and the wake-up job together. Returns how many clusters were taken, messages queued, issues told and issues held.';
--! EndIncluded decide/decide_due.sql
--! Included deliver/settle_notifications.sql
-- Records how deliveries ended. A success counts whoever reports it (the message is out); a failure only from the
-- worker that still holds the message. What cannot succeed any more is dead: then its issues do not count as told.
--
-- An outcome is {id, attempt, sent, result} or {id, attempt, sent: false, failure, error, permanent, retry_after_ms}, either with
-- unrendered: [{issue_id, error}] for issues left out. tried: false says that the message certainly did not go out, so that
-- the attempt is given back; with no failure it is only released, and due again at once. expired: true comes from
-- give_up_expired(), which is no worker.
--
-- A replay is not in the ledger. Where it repeats a message that had been given up, that one's issues count as told from
-- the replay on (replay()), and not any more when the replay is given up, too, unless another replay got through or may yet.
-- Replays that fail take turns, so that of two the second knows what became of the first.
--
-- The clock is read when we have the rows: what is written here counts from then. Whoever decided while we waited for them did
-- not know it yet, and decide(…, at) has to give the same answer for ever.
create or replace function settle_notifications(outcomes jsonb, at timestamptz default null)
returns table (sent integer, retried integer, dead integer, circuit text)
language plpgsql volatile
set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
  ended bigint[];
  waiting bigint[];
  evidence jsonb;
begin
  if exists (
    select from jsonb_to_recordset(outcomes) as o (id bigint, sent boolean)
    join notification n on n.id = o.id
    where not o.sent and n.replay_of is not null)
  then
    perform lock_replays();
  end if;
  perform from notification n
  where n.id = any (array(select (o ->> 'id')::bigint from jsonb_array_elements(outcomes) o))
  order by n.id
  for update;
  at := coalesce(at, clock_timestamp());

  with outcome as (
    select *
    from jsonb_to_recordset(outcomes) as o (
      id bigint, attempt integer, sent boolean, result jsonb,
      failure text, error text, permanent boolean, retry_after_ms bigint, tried boolean, expired boolean, unrendered jsonb)
  ), settled as (
    select n.id, o.unrendered, o.result,
      case when release.only then n.failure else coalesce(o.failure, 'client') end as failure,
      case when release.only then n.last_error else left(o.error, 1000) end as error,
      coalesce(o.permanent, false) as permanent, o.retry_after_ms, not coalesce(o.tried, true) as untried, coalesce(o.expired, false) as expired,
      retry.next_attempt_at,
      case
        when o.sent then 'sent'
        when o.permanent or retry.next_attempt_at > retry_until(n) then 'dead'
        else 'pending'
      end as state
    from notification n
    join outcome o on o.id = n.id
    cross join lateral (select coalesce(o.tried = false and o.failure is null, false) as only) release
    cross join lateral (
      select case when release.only then at else at + greatest(
        retry_delay(case when o.tried = false then 1 else n.attempts - n.attempts_before end),
        coalesce(o.retry_after_ms, 0) * interval '1 millisecond') end as next_attempt_at
    ) retry
    where (o.sent and n.state <> 'sent')
      or (n.state = 'pending' and n.attempts = o.attempt and (n.leased_until is not null or o.expired))
  ), updated as (
    update notification n
    set state = s.state,
        ended_at = case when s.state <> 'pending' then at end,
        next_attempt_at = case when s.state = 'pending' then s.next_attempt_at else n.next_attempt_at end,
        failure = case when s.state = 'sent' then n.failure else s.failure end,
        last_error = case when s.state = 'sent' then n.last_error else s.error end,
        result = s.result,
        leased_until = null,
        attempts = n.attempts - case when s.untried and s.state = 'pending' then 1 else 0 end,
        -- as it was before the claim: null, unless it had been tried before it was redriven
        first_tried_at = case
          when s.untried and n.attempts - n.attempts_before = 1 and coalesce(n.first_tried_at >= n.redriven_at, true) then null
          else n.first_tried_at
        end
    from settled s
    where n.id = s.id
    returning n.id, n.state, n.target_id, n.replay_of, s.unrendered, s.failure, s.error, s.permanent, s.retry_after_ms,
      s.untried or s.expired as says_nothing
  ), unrendered as (
    select u.id, u.target_id, u.replay_of, i.issue_id, i.content_id, i.occurrence, left(f.error, 1000) as error
    from updated u
    cross join lateral jsonb_to_recordset(u.unrendered) as f (issue_id bigint, error text)
    join notified_issue i on i.notification_id = u.id and i.issue_id = f.issue_id
    where u.state <> 'pending'
  ), recorded as (
    -- without a cooldown, several messages may tell the same issue
    insert into render_failure (issue_id, target_id, content_id, occurrence, failed_at, error)
    select f.issue_id, f.target_id, f.content_id, f.occurrence, at, f.error
    from unrendered f
    where f.replay_of is null
    on conflict do nothing
  ), not_told as (
    update notified_issue i
    set voided = i.voided + tstzmultirange(tstzrange(at, null))
    from updated u
    where i.notification_id = u.id and i.live
      and (u.state = 'dead' or i.issue_id in (select f.issue_id from unrendered f where f.id = u.id))
  ), not_told_again as (
    update notified_issue i
    set voided = i.voided + tstzmultirange(tstzrange(at, null))
    from updated u
    join notification original on original.id = u.replay_of and original.state = 'dead'
    join notified_issue again on again.notification_id = u.id
    where i.notification_id = original.id and i.issue_id = again.issue_id and i.live
      and (u.state = 'dead' or i.issue_id in (select f.issue_id from unrendered f where f.id = u.id))
      and not exists (
        select from notification other
        join notified_issue said on said.notification_id = other.id and said.issue_id = i.issue_id
        where other.replay_of = original.id
          and other.id <> u.id
          and other.state <> 'dead'
          and other.id not in (select d.id from updated d where d.state = 'dead'))
  ), told_after_all as (
    -- given up by one worker, got through by another, or by a replay; it may have been told again in between
    update notified_issue i
    set voided = i.voided - tstzmultirange(tstzrange(at, null))
    from updated u
    left join notification original on original.id = u.replay_of
    where i.notification_id = coalesce(u.replay_of, u.id) and u.state = 'sent' and not i.live and not i.left_out
      and coalesce(original.state = 'dead', true)
      and (u.replay_of is null or exists (
        select from notified_issue said where said.notification_id = u.id and said.issue_id = i.issue_id))
      and i.issue_id not in (select f.issue_id from unrendered f where f.id = u.id)
      and not told_otherwise(i)
  ), evidence as (
    select u.target_id,
      array_agg(u.id) filter (where u.state = 'sent' or (u.failure = 'client' and u.permanent and not u.says_nothing)) as alive,
      array_agg(u.id) filter (where u.state <> 'sent' and not u.permanent and not u.says_nothing
        and u.failure in ('server', 'timeout', 'network', 'broker', 'auth')) as failed,
      array_agg(u.id) filter (where u.state <> 'sent' and u.failure = 'rate_limited' and not u.says_nothing) as limited,
      max(at + coalesce(u.retry_after_ms, 0) * interval '1 millisecond')
        filter (where u.state <> 'sent' and u.failure = 'rate_limited' and not u.says_nothing) as limited_until,
      (array_agg(jsonb_build_object('failure', u.failure, 'error', u.error) order by u.failure <> 'rate_limited', u.id)
        filter (where u.state <> 'sent' and not u.permanent))[1] as failure
    from updated u
    group by u.target_id
  )
  select count(*) filter (where state = 'sent'), count(*) filter (where state = 'pending'),
    count(*) filter (where state = 'dead'), array_agg(id) filter (where state <> 'pending'),
    array_agg(id) filter (where state = 'pending'), (select jsonb_agg(e) from evidence e)
  into sent, retried, dead, ended, waiting, evidence
  from updated;

  select max(settle_circuit(
    e.target_id, e.alive, e.failed, e.limited, e.limited_until, e.failure ->> 'failure', e.failure ->> 'error', at))
  into circuit
  from jsonb_to_recordset(evidence) as e (
    target_id integer, alive bigint[], failed bigint[], limited bigint[], limited_until timestamptz, failure jsonb);
  perform record_reported(ended);
  perform announce('delivered', jsonb_build_object(
    'target', (
      select t.name
      from notification n
      join event_targets t on t.id = n.target_id
      where n.id = any (ended || waiting)
      limit 1),
    'sent', sent, 'retried', retried, 'dead', dead));
  -- for the earliest of all that wait: the wake-up replaces the one for another's retry
  perform wake_delivery(t.name, next_delivery_at(t.id))
  from event_targets t
  where t.id in (select n.target_id from notification n where n.id = any (waiting));
  return next;
end $$;

comment on function settle_notifications(jsonb, timestamptz) is
  'Records how deliveries ended (an array of outcomes; their form stands in the file) and which issues could not be rendered. Returns how many are sent, to be retried, and dead, and whether that opened or closed the circuit.';
--! EndIncluded deliver/settle_notifications.sql
--! Included deliver/record_reported.sql
-- One row for each decision and target, however many messages it took: sent as soon as one got through, error while
-- none did. error_log names what failed. A replay is no decision: it counts for the message that it repeats.
--
-- By index, whatever the planner expects: it read all of notification for 500 messages (43 ms instead of 12 where 50,000 had
-- been sent before, and growing with them).
create or replace function record_reported(notification_ids bigint[]) returns void
language sql volatile
set search_path = public, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
  insert into reported
    (org_id, account_number, cluster, notification_type, state, report, updated_at, notified_at, error_log, event_type_id)
  select n.org_id, max(n.account_number), n.cluster, 1,
    case when bool_or(n.state = 'sent' or exists (
      select from notification again where again.replay_of = n.id and again.state = 'sent')) then 1 else 4 end,
    coalesce(max(r.report), ''), n.updated_at, n.decided_at,
    coalesce(string_agg(distinct n.last_error, '; ') filter (where n.state = 'dead'), ''), n.target_id
  from (
    select distinct e.org_id, e.cluster, e.decided_at, e.target_id
    from notification ended
    join notification e on e.id = coalesce(ended.replay_of, ended.id)
    where ended.id = any (notification_ids)
  ) decision
  join notification n using (org_id, cluster, decided_at, target_id)
  left join new_reports r
    on r.org_id = n.org_id and r.cluster = n.cluster and r.updated_at = n.updated_at
  where n.state <> 'pending' and n.replay_of is null
  group by n.org_id, n.cluster, n.updated_at, n.decided_at, n.target_id
  order by n.org_id, n.cluster, n.decided_at, n.target_id
  on conflict (org_id, cluster, notified_at, event_type_id) do update
  set state = excluded.state, report = excluded.report, error_log = excluded.error_log;
$$;

comment on function record_reported(bigint[]) is
  'Writes or renews the rows of reported for the decisions that these notifications (all ended) belong to.';
--! EndIncluded deliver/record_reported.sql
--! Included retain/longest_cooldown.sql
-- Spacing and the window of flapping are memories of the same kind.
create or replace function longest_cooldown(at timestamptz default now()) returns interval
language sql stable
set search_path = public, pg_temp
as $$
  select coalesce(max(greatest(p.cooldown, p.spacing, p.flapping_window)), interval '0')
  from policy p
  where upper_inf(p.validity) or upper(p.validity) > at;
$$;

comment on function longest_cooldown(timestamptz) is
  'The longest time that any policy, in force at this time or planned, looks back: cooldown, spacing, window of flapping.';
--! EndIncluded retain/longest_cooldown.sql
--! Included retain/retention_horizon.sql
create or replace function retention_horizon(parent text, at timestamptz default now()) returns timestamptz
language sql stable
set search_path = public, pg_temp
as $$
  select (date_trunc('day', at at time zone 'UTC' - greatest(r.keep, longest_cooldown(at)))) at time zone 'UTC'
  from retention r
  where r.parent = retention_horizon.parent;
$$;

comment on function retention_horizon(text, timestamptz) is
  'The beginning of the oldest day (UTC) that new_reports or reported keeps: what retention says, but never less than the longest cooldown.';
--! EndIncluded retain/retention_horizon.sql
--! Included retain/set_retention.sql
create or replace function set_retention(parent text, keep interval) returns void
language plpgsql volatile
set search_path = public, pg_temp
as $$
begin
  if set_retention.keep < longest_cooldown() then
    raise exception 'a retention of % is shorter than the longest cooldown, %', set_retention.keep, longest_cooldown()
      using errcode = 'invalid_parameter_value',
        hint = 'Decisions have to remember what was told for that long: shorten the cooldown first.';
  end if;
  update retention r
  set keep = set_retention.keep, changed_by = session_user, changed_at = now()
  where r.parent = set_retention.parent;
  if not found then
    raise exception 'table % is not partitioned by day', parent using errcode = 'invalid_parameter_value';
  end if;
end $$;

comment on function set_retention(text, interval) is
  'Says how long new_reports or reported keeps a day; raises 22023 for less than the longest cooldown.';
--! EndIncluded retain/set_retention.sql
--! Included retain/partition_held_by.sql
-- Who still has to read a report of that day: a decision (it copies the report's account and time), a delivery (details of the
-- hits, and the text for reported). A message about issues that went reads the last report that had them, which may be older
-- than the one it is about. `reported` is only written, and read by people.
create or replace function partition_held_by(parent text, day date, at timestamptz default now()) returns text
language sql stable
set search_path = public, pg_temp
as $$
  with bounds as (
    select day::timestamp at time zone 'UTC' as begins, (day + 1)::timestamp at time zone 'UTC' as ends
  )
  select case
    when parent <> 'new_reports' then null
    when exists (
      select
      from decision_due d
      join latest_report l on l.cluster = d.cluster and l.org_id = d.org_id
      where l.updated_at >= b.begins and l.updated_at < b.ends)
      then 'a decision is due on one of its reports'
    when exists (
      select
      from notification n
      where n.state = 'pending' and n.updated_at >= b.begins and n.updated_at < b.ends)
      then 'a message about one of its reports has not been sent'
    when exists (
      select
      from notification n
      join notified_issue i on i.notification_id = n.id
      join occurrence o on o.issue_id = i.issue_id and o.occurrence = i.occurrence
      where n.state = 'pending' and n.resolved and o.opened_at < b.ends and o.closed_at > b.begins)
      then 'a message about an issue that went has not been sent'
    when exists (
      select
      from notification n
      where n.state = 'dead' and n.ended_at > at - redrive_horizon() and n.updated_at >= b.begins and n.updated_at < b.ends)
      then 'a message about one of its reports may still be redriven'
  end
  from bounds b;
$$;

comment on function partition_held_by(text, date, timestamptz) is
  'Why a day of new_reports or reported must not be dropped yet; null: nothing holds it.';
--! EndIncluded retain/partition_held_by.sql
--! Included retain/partitions.sql
create or replace view partitions with (security_invoker = true) as
select p.parent, p.name, p.day, p.is_attached, p.rows, p.bytes,
  not p.is_attached or p.day < (retention_horizon(p.parent) at time zone 'UTC')::date as is_past,
  case when p.is_attached and p.day < (retention_horizon(p.parent) at time zone 'UTC')::date
    then partition_held_by(p.parent, p.day) end as held_by
from (
  select m[1] as parent, c.relname::text as name, to_date(m[2], 'YYYYMMDD') as day, c.relispartition as is_attached,
    greatest(c.reltuples, 0)::bigint as rows, pg_total_relation_size(c.oid) as bytes
  from pg_class c
  cross join lateral regexp_match(c.relname, '^(new_reports|reported)_(\d{8})(_detached)?$') m
  where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and m is not null
  union all
  select r.parent, c.relname::text, null, true, greatest(c.reltuples, 0)::bigint, pg_total_relation_size(c.oid)
  from retention r
  join pg_class c on c.relname = r.parent || '_default' and c.relnamespace = 'public'::regnamespace
) p;

comment on view partitions is 'Every day of new_reports and reported that is stored, how large it is, whether retention is to drop it, and what holds it.';
comment on column partitions.parent is 'new_reports or reported';
comment on column partitions.name is 'table that holds the day';
comment on column partitions.day is 'day (UTC); null for what belongs to no day';
comment on column partitions.is_attached is 'false: taken out of its parent, about to be dropped';
comment on column partitions.rows is 'how many rows it has, as of the last analyze';
comment on column partitions.bytes is 'its size with indexes';
comment on column partitions.is_past is 'older than what is kept: the next retain() drops it, unless something holds it; null for what belongs to no day';
comment on column partitions.held_by is 'why it must not be dropped yet; null: nothing holds it';
--! EndIncluded retain/partitions.sql
--! Included retain/retain.sql
-- One step at a time, each a short transaction of its own, until there is none left:
-- 1. drop what an earlier step took out. To unlink gigabytes takes long, and nobody waits for it.
-- 2. take the oldest day that is past, and that nothing holds, out of its parent. That needs the parent for itself for a moment:
--    we wait a quarter of a second for it at most, since everybody who comes after us waits behind us (55P03: try again).
--    (`detach … concurrently` does not wait, but does not work beside a default partition, nor in a function.)
-- 3. delete what is past from the default partition, oldest first, 10,000 rows at a time.
-- Whoever dies in between leaves what the next one finds.
create or replace function retain(at timestamptz default now())
returns table (action text, name text, row_count bigint, bytes bigint)
language plpgsql volatile
set search_path = public, pg_temp
set lock_timeout = '250ms'
as $$
#variable_conflict use_column
declare
  past partitions;
  parent text;
  cleared bigint;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('retain', 0)) then
    return; -- somebody else is at it
  end if;

  select p.* into past from partitions p where not p.is_attached order by p.day, p.name limit 1;
  if found then
    execute format('drop table %I', past.name);
    return query select 'dropped', past.name, past.rows, past.bytes;
    return;
  end if;

  for past in
    select p.*
    from partitions p
    where p.is_attached and p.day < (retention_horizon(p.parent, at) at time zone 'UTC')::date
    order by p.day, p.parent
  loop
    continue when partition_held_by(past.parent, past.day, at) is not null;
    execute format('lock table %I in access exclusive mode', past.parent);
    -- what was decided between the look and the lock
    continue when partition_held_by(past.parent, past.day, at) is not null;
    execute format('alter table %I detach partition %I', past.parent, past.name);
    execute format('alter table %I rename to %I', past.name, past.name || '_detached');
    return query select 'detached', past.name, past.rows, past.bytes;
    return;
  end loop;

  foreach parent in array array['new_reports', 'reported'] loop
    execute format(
      $delete$
        delete from %1$I d
        where d.ctid = any (array(
          select r.ctid
          from %1$I r
          where r.%2$I < $1
            and not exists (select from decision_due w where w.cluster = r.cluster and w.org_id = r.org_id)
            and not exists (
              select from notification n
              where n.cluster = r.cluster and n.org_id = r.org_id
                and (n.state = 'pending' or n.state = 'dead' and n.ended_at > $2 - redrive_horizon()))
          order by r.%2$I
          limit 10000))
      $delete$,
      parent || '_default', case parent when 'new_reports' then 'updated_at' else 'notified_at' end)
    using retention_horizon(parent, at), at;
    get diagnostics cleared = row_count;
    if cleared > 0 then
      return query select 'deleted', parent || '_default', cleared, null::bigint;
      return;
    end if;
  end loop;
end $$;

comment on function retain(timestamptz) is
  'Does the next step of retention, and says what it was (detached or dropped a day, deleted from a default partition); no row: nothing is left to do, or somebody else does it. Raises 55P03 where the table is busy: call it again.';
--! EndIncluded retain/retain.sql

--! Included decide/explain_report.sql
-- One stored report: what became of each of its hits. A report that a newer one overtook before it was decided on was never
-- decided on (superseded); the newer one was. There is nothing to record of one without hits, or for a target that is switched
-- off: then the decision shown is that of now.
--
-- Planned anew each time, with the cluster at hand: as `language sql`, with the cluster taken from the report, the planner could not tell
-- that only one is asked for, and read all issues for each hit (870 ms among 65,000 clusters, now 15).
create or replace function explain_report(
  org_id bigint, cluster text, updated_at timestamptz, at timestamptz default now()
)
returns table (
  report_state text, target text, component text, error_key text, decided_at timestamptz, decision text, reasons text[],
  issue_state text, last_told_at timestamptz, next_eligible_at timestamptz, policy_id bigint, content_id bigint,
  silence_id bigint, acknowledgement_id bigint
)
language plpgsql stable
set search_path = public, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
  return query
  with report as materialized (
    select r.org_id, r.cluster, r.updated_at, r.received_at, l.updated_at as latest_at,
      readable_report(r.report) as report
    from new_reports r
    left join latest_report l on l.org_id = r.org_id and l.cluster = r.cluster
    where r.org_id = explain_report.org_id
      and r.cluster in (explain_report.cluster, lower(explain_report.cluster))
      and r.updated_at = explain_report.updated_at
  ), decided as materialized (
    select r.*, t.id as target_id, t.name as target,
      -- from its arrival on: a decision before that was about what the same upload had said the first time
      least(
        (select min(done.notified_at) from reported done
         where done.org_id = r.org_id and done.cluster = r.cluster and done.event_type_id = t.id
           and done.updated_at = r.updated_at and done.notified_at >= r.received_at),
        (select min(n.decided_at) from notification n
         where n.org_id = r.org_id and n.cluster = r.cluster and n.target_id = t.id and n.replay_of is null
           and n.updated_at = r.updated_at and n.decided_at >= r.received_at)) as decided_at
    from report r
    cross join event_targets t
  ), judged as (
    select d.*,
      case
        when d.report is null then 'unreadable'
        when d.decided_at is not null then 'decided'
        when d.updated_at < d.latest_at then 'superseded'
        when exists (
          select from decision_due due
          where due.org_id = d.org_id and due.cluster = d.cluster and due.by_report) then 'waiting'
        else 'nothing to record'
      end as report_state
    from decided d
  )
  select j.report_state, j.target, h.component, h.error_key, j.decided_at, d.decision, d.reasons, d.issue_state,
    d.last_told_at, d.next_eligible_at, d.policy_id, d.content_id, d.silence_id, d.acknowledgement_id
  from judged j
  left join lateral report_hits(j.report) h on true
  left join lateral decide(
    j.target_id, coalesce(j.decided_at, explain_report.at), array[explain_report.cluster, lower(explain_report.cluster)]) d
    on j.report_state in ('decided', 'waiting', 'nothing to record')
    and d.cluster = j.cluster and d.org_id = j.org_id and d.component = h.component and d.error_key = h.error_key
  order by j.target_id, h.component, h.error_key;
end $$;

comment on function explain_report(bigint, text, timestamptz, timestamptz) is
  'What became of one stored report, for each target and hit: report_state (decided, waiting, superseded by a newer report, unreadable, nothing to record) and the decision as it was taken, or as it would be now.';
--! EndIncluded decide/explain_report.sql
