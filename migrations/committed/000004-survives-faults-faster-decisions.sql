--! Previous: sha1:18854b10b6bbe7edfa958651129bc7756840b258
--! Hash: sha1:5577118fbbccb99b5dba7caa28e053eee298b87b
--! Message: survives faults; faster decisions

-- Decisions ---------------------------------------------------------------------------------------------------------

alter type issue_verdict add attribute target_id integer;

-- decide() finds the last telling of an issue by one look-up, however often it was told
alter table notified_issue add column superseded_at timestamptz not null default 'infinity';
comment on column notified_issue.superseded_at is 'when the issue was told to the same target again; infinity: it was not';
update notified_issue n
set superseded_at = s.told_again_at
from (
  select t.notification_id, t.issue_id,
    lead(t.told_at) over (partition by t.issue_id, t.target_id order by t.told_at, t.notification_id) as told_again_at
  from notified_issue t
  where not t.resolved
) s
where n.notification_id = s.notification_id and n.issue_id = s.issue_id and s.told_again_at is not null;
create index notified_issue_told_idx on notified_issue (issue_id, target_id, superseded_at);
drop index notified_issue_last_idx;
-- Each of them was looked up again for every row that a decision writes. Policies cannot be deleted, and refer to their target,
-- which therefore cannot be deleted, either; the rest are constants of record_reported() and decide_due().
alter table notified_issue drop constraint notified_issue_target_id_fkey, drop constraint notified_issue_policy_id_fkey;
alter table notification drop constraint notification_target_id_fkey;
alter table reported
  drop constraint reported_state_fkey, add constraint reported_state_check check (state between 1 and 4),
  drop constraint reported_notification_type_fkey, add constraint reported_notification_type_check check (notification_type = 1);

-- of failures within the wait after another one the last says until when the issue is held
delete from render_failure f
using render_failure later
where later.issue_id = f.issue_id and later.target_id = f.target_id and later.content_id = f.content_id
  and later.occurrence = f.occurrence
  and f.failed_at < later.failed_at and later.failed_at < cooldown_end(f.failed_at, '24 hours');
alter table render_failure
  -- tried again after a day: the details of the hit may have changed, or the machine was too busy
  add column held_period tstzrange not null generated always as (cooldown_period(failed_at, '24 hours')) stored,
  add constraint held_once exclude using gist
    (issue_id with =, target_id with =, content_id with =, occurrence with =, held_period with &&);
create index render_failure_held_until_idx on render_failure (upper(held_period));
comment on column render_failure.held_period is 'until when this occurrence is held for it, unless the content changes';

create table acknowledged_rule (
  rule_name text not null,
  org_id bigint,
  cluster text collate "C",
  check (num_nonnulls(org_id, cluster) = 1)
);
create unique index acknowledged_rule_org_idx on acknowledged_rule (rule_name, org_id) where cluster is null;
create unique index acknowledged_rule_cluster_idx on acknowledged_rule (rule_name, cluster) where org_id is null;
comment on table acknowledged_rule is 'Rules that an organization, or one of its clusters, ever acknowledged: for all others decide() need not look.';
comment on column acknowledged_rule.rule_name is 'bare name of the rule';
comment on column acknowledged_rule.org_id is 'the organization, where it acknowledged for all its clusters';
comment on column acknowledged_rule.cluster is 'the cluster, where it was for one';
insert into acknowledged_rule (rule_name, org_id, cluster)
select distinct a.rule_name, case when a.cluster is null then a.org_id end, a.cluster
from acknowledgement a;

-- Deliveries ---------------------------------------------------------------------------------------------------------

-- Delivery: a circuit per target, redrive and replay.

drop function settle_notifications(jsonb, timestamptz);

create table circuit (
  target_id integer primary key references event_targets on delete cascade,
  failures integer not null default 0,
  failed_messages bigint[] not null default '{}',
  opened_at timestamptz,
  retry_at timestamptz,
  probe_until timestamptz,
  probe_messages bigint[] not null default '{}',
  failed_probes integer not null default 0,
  last_failure text,
  last_error text,
  last_failed_at timestamptz,
  check ((opened_at is null) = (retry_at is null)),
  check (opened_at is not null or (probe_until is null and failed_probes = 0))
) with (fillfactor = 50);
comment on table circuit is 'whether a target is sent to: closed, or open since its receiver is down or asked for time; the view delivery_circuit explains it';
comment on column circuit.target_id is 'the target';
comment on column circuit.failures is 'how many settlements in a row said that the receiver is down';
comment on column circuit.failed_messages is 'which messages those were, as many as it takes to open the circuit: one that fails again and again counts once';
comment on column circuit.opened_at is 'since when it is open; null: closed';
comment on column circuit.retry_at is 'nothing is claimed before; then a few messages, as a probe';
comment on column circuit.probe_until is 'a worker has the probe; the end of its lease';
comment on column circuit.probe_messages is 'the messages of that probe';
comment on column circuit.failed_probes is 'how many probes failed since it opened';
comment on column circuit.last_failure is 'kind of the last failure';
comment on column circuit.last_error is 'what went wrong then, for people';
comment on column circuit.last_failed_at is 'when that was';
insert into circuit (target_id) select id from event_targets;

alter table notification
  add column first_tried_at timestamptz,
  add column leased_until timestamptz,
  add column redriven_at timestamptz,
  add column attempts_before integer not null default 0,
  add column replay_of bigint references notification on delete cascade;
comment on column notification.first_tried_at is 'when it was first handed to a worker that may have sent it; receivers remember its id for a day from then';
comment on column notification.leased_until is 'a worker has it until then; null: nobody has it';
comment on column notification.redriven_at is 'when a person last put it back after it had been given up';
comment on column notification.attempts_before is 'attempts before it was redriven; the back-off starts anew';
comment on column notification.replay_of is 'the message that it repeats under an id of its own; null: it is none of that kind';
-- nobody wrote down when the first try was: not before the decision
update notification
set first_tried_at = decided_at, leased_until = case when state = 'pending' then next_attempt_at end
where attempts > 0 and state <> 'sent';
update notification set failure = 'client' where state = 'dead' and failure is null;
alter table notification add constraint notification_dead_failure_check check (state <> 'dead' or failure is not null);
create index notification_dead_idx on notification (target_id, ended_at) where state = 'dead';
create index notification_ended_idx on notification using brin (ended_at);
create index notification_replay_idx on notification (replay_of) where replay_of is not null;

alter table notified_issue add column left_out boolean not null default false;
comment on column notified_issue.left_out is 'its message was redriven without it, since it had been told again';

-- Rejected messages --------------------------------------------------------------------------------------------------

-- Rejected messages can be tried again, and go to a dead-letter topic.

-- A topic that is created anew has other messages at the same offsets: a position is no key.
alter table rejected_message
  drop constraint rejected_message_pkey,
  add column id bigint generated always as identity primary key,
  add column org_id bigint,
  add column cluster text collate "C",
  add column attempts integer not null default 1 check (attempts > 0),
  add column retried_at timestamptz,
  add column stored_at timestamptz,
  add column dead_letter_due_at timestamptz default now(),
  add column dead_lettered_at timestamptz,
  add column dead_letter_error text;
comment on column rejected_message.id is 'number of the rejected message';
comment on column rejected_message.received_at is 'when it arrived the first time';
comment on column rejected_message.org_id is 'organization in it, where that could be read; null for what was rejected before this was kept';
comment on column rejected_message.cluster is 'cluster in it, where that could be read; null for what was rejected before this was kept';
comment on column rejected_message.attempts is 'how many times it was tried: once when it arrived, and with every retry';
comment on column rejected_message.retried_at is 'when it was tried again last';
comment on column rejected_message.stored_at is 'when a retry stored it; null: it is still rejected';
comment on column rejected_message.dead_letter_due_at is 'when it may go to the dead-letter topic, or the lease of the worker that has it ends; null: it need not go (any more)';
comment on column rejected_message.dead_lettered_at is 'when it was written to the dead-letter topic';
comment on column rejected_message.dead_letter_error is 'why it cannot go to the dead-letter topic';
create index rejected_message_position on rejected_message (topic, partition, kafka_offset);
create index rejected_message_received_at on rejected_message (received_at);
create index rejected_message_org_id on rejected_message (org_id) where org_id is not null;
create index rejected_message_dead_letter_due on rejected_message (dead_letter_due_at) where dead_letter_due_at is not null;

-- Workers ------------------------------------------------------------------------------------------------------------

create table worker (
  pool_id text primary key,
  host text not null,
  pid integer not null,
  roles text[] not null,
  version text not null,
  started_at timestamptz not null,
  unbroken_since timestamptz not null,
  seen_at timestamptz not null
);
comment on table worker is 'the worker processes that live; each says so every 15 seconds, and is taken for dead after 90 seconds of silence (heartbeat)';
comment on column worker.pool_id is 'what graphile-worker calls it; its jobs have this in locked_by';
comment on column worker.host is 'machine or pod that it runs on';
comment on column worker.pid is 'number of its process there';
comment on column worker.roles is 'what the process does: work, or consume and work';
comment on column worker.version is 'version of the service';
comment on column worker.started_at is 'when it was first heard';
comment on column worker.unbroken_since is 'since when it has been heard without a break; only after 90 seconds of that it may take others for dead';
comment on column worker.seen_at is 'when it was last heard';

-- views still stand on it: it goes when they stand on the new one
alter function verdict(integer, timestamptz, text[], jsonb) rename to verdict_before;

--! Included index.sql
-- Every object that can be re-created, in the order in which they need each other. Running this file against a
-- migrated database changes nothing (CI proves it).
--! Included content/rule_name.sql
-- The four spellings in use: the wire's `a.b.x.report`, the content's `a.b.x`, the bare `x`, and `x|KEY`
-- (or `a.b.x.report|KEY`). All of them name the rule `x`.
create or replace function rule_name(spelling text) returns text
language sql immutable strict parallel safe
return split_part(regexp_replace(split_part(spelling, '|', 1), '\.(report|recommendation)$', ''), '.', -1);

comment on function rule_name(text) is
  'The bare name of a rule, from any of its spellings (x.report, a.b.x, x, x|KEY). Rule content and disabled rules are matched by it.';
--! EndIncluded content/rule_name.sql
--! Included decide/cooldown_end.sql
-- Days and months are counted in UTC: `timestamptz + interval` alone would follow the session's time zone,
-- and the same decision would come out differently for two people.
create or replace function cooldown_end(told_at timestamptz, cooldown interval) returns timestamptz
language sql immutable strict parallel safe
return (told_at at time zone 'UTC' + cooldown) at time zone 'UTC';

comment on function cooldown_end(timestamptz, interval) is
  'When an issue told at told_at may be told again under this cooldown; days and months are counted in UTC.';
--! EndIncluded decide/cooldown_end.sql
--! Included decide/cooldown_period.sql
-- Never empty, since an empty range overlaps nothing and the ledger would let the same instant pass twice: a cooldown of 0
-- holds the instant itself. ("1 month -30 days" is not negative, yet ends before it begins in February.)
create or replace function cooldown_period(told_at timestamptz, cooldown interval) returns tstzrange
language sql immutable strict parallel safe
return case
  when cooldown_end(told_at, cooldown) > told_at then tstzrange(told_at, cooldown_end(told_at, cooldown))
  else tstzrange(told_at, told_at, '[]')
end;

comment on function cooldown_period(timestamptz, interval) is
  'The time during which an issue told at told_at is not told again, as the ledger''s constraint needs it.';
--! EndIncluded decide/cooldown_period.sql
--! Included decide/is_recent.sql
-- What nobody has seen for longer is not asked again when only time has passed, or when people changed something.
create or replace function is_recent(updated_at timestamptz, at timestamptz) returns boolean
language sql stable parallel safe
return updated_at > at - interval '24 hours';

comment on function is_recent(timestamptz, timestamptz) is
  'Is a report of updated_at recent enough at this time that its cluster is decided on again without a newer one.';
--! EndIncluded decide/is_recent.sql
--! Included ops/announce.sql
-- Live and not durable: for people who watch (`ccx tail`), never for work. One channel; NOTIFY at commit costs nothing
-- extra here, since these transactions notify the job queue anyway.
create or replace function announce(event text, details jsonb) returns void
language sql volatile
set search_path = public, pg_temp
as $$
  select pg_notify('ccx_events', jsonb_build_object('event', event, 'at', clock_timestamp(), 'details', details)::text);
$$;

comment on function announce(text, jsonb) is
  'Sends {event, at, details} to whoever listens on the channel ccx_events, when the transaction commits.';
--! EndIncluded ops/announce.sql
--! Included retain/ensure_partition.sql
-- Makes room for one day. Rows of that day that already went to the default partition are moved along, so a
-- partition can be added late. Days are UTC days.
create or replace function ensure_partition(parent text, day date) returns boolean
language plpgsql volatile
set search_path = public, pg_temp
as $$
declare
  name text := format('%s_%s', parent, to_char(day, 'YYYYMMDD'));
  day_start timestamptz := day::timestamp at time zone 'UTC';
  day_end timestamptz := (day + 1)::timestamp at time zone 'UTC';
  time_column text;
begin
  if to_regclass(quote_ident(name)) is not null then
    return false;
  end if;
  time_column := case parent when 'new_reports' then 'updated_at' when 'reported' then 'notified_at' end;
  if time_column is null then
    raise exception 'table % is not partitioned by day', parent using errcode = 'invalid_parameter_value';
  end if;

  -- two callers at once: the second waits, then finds it done (not by to_regclass(), which may answer from a cache
  -- that a wait for an advisory lock does not renew)
  perform pg_advisory_xact_lock(hashtextextended('ensure_partition ' || parent, 0));
  if exists (select from pg_class c where c.relname = name and c.relnamespace = 'public'::regnamespace) then
    return false;
  end if;
  execute format('create table %I (like %I including all)', name, parent);
  execute format(
    'with moved as (delete from %I where %I >= %L and %I < %L returning *) insert into %I select * from moved',
    parent || '_default', time_column, day_start, time_column, day_end, name);
  execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, name, day_start, day_end);
  execute format('comment on table %I is %L', name, format('%s of %s', parent, day));
  return true;
end $$;

comment on function ensure_partition(text, date) is
  'Makes sure that new_reports or reported has a partition for this UTC day; true when it was made now.';
--! EndIncluded retain/ensure_partition.sql
--! Included retain/ensure_partitions.sql
-- Only days near the clock get partitions: a report that claims to be from the year 1970 goes to the default
-- partition instead of making one more table. What is ahead is made in time, so the default stays almost empty.
create or replace function ensure_partitions(at timestamptz default now()) returns integer
language sql volatile
set search_path = public, pg_temp
as $$
  select count(*) filter (where ensure_partition(parent, day::date))::integer
  from unnest(array['new_reports', 'reported']) as parent
  cross join generate_series((at at time zone 'UTC')::date, (at at time zone 'UTC')::date + 3, interval '1 day') as day;
$$;

comment on function ensure_partitions(timestamptz) is
  'Makes the partitions for today and the next three days (UTC); returns how many were made.';
--! EndIncluded retain/ensure_partitions.sql
--! Included deliver/wake_delivery.sql
-- The job is only a wake-up, the outbox row is the work: losing the job costs a minute (sweep), never a message.
-- A wake-up for later has a key of its own, so that it does not hold back the next one for now. While the circuit is open
-- a wake-up is for its next probe, whoever asks.
create or replace function wake_delivery(target text, wake_at timestamptz default null) returns void
language sql volatile
set search_path = public, pg_temp
as $$
  select graphile_worker.add_job(
    'deliver_' || replace(target, ' ', '_'),
    run_at := wake.at,
    job_key := case when wake.at is null then 'deliver ' else 'retry ' end || target,
    job_key_mode := case when wake.at is null then 'preserve_run_at' else 'replace' end)
  from (
    select case when wake_at is not null or blocked.until > now() then greatest(wake_at, blocked.until) end as at
    from (
      select (
        select greatest(c.retry_at, c.probe_until)
        from circuit c
        join event_targets t on t.id = c.target_id
        where t.name = wake_delivery.target and c.opened_at is not null) as until
    ) blocked
  ) wake;
$$;

comment on function wake_delivery(text, timestamptz) is
  'Queues the delivery task of a target (its name as in event_targets), for now or for later; while its circuit is open, for the next probe.';
--! EndIncluded deliver/wake_delivery.sql
--! Included decide/wake_decide.sql
create or replace function wake_decide() returns void
language sql volatile
set search_path = public, pg_temp
as $$
  select graphile_worker.add_job('decide', job_key := 'decide', job_key_mode := 'preserve_run_at');
$$;

comment on function wake_decide() is 'Queues the task that decides for the clusters in decision_due.';
--! EndIncluded decide/wake_decide.sql
--! Included decide/tg_decision_request__wake.sql
create or replace function tg_decision_request__wake() returns trigger
language plpgsql volatile
set search_path = public, pg_temp
as $$
begin
  perform wake_decide();
  return null;
end $$;

comment on function tg_decision_request__wake() is
  'Trigger of decision_request: wakes the decider at commit, so that the job''s row is locked for that moment only.';

drop trigger if exists _900_wake on decision_request;
create constraint trigger _900_wake after insert on decision_request
  deferrable initially deferred
  for each row execute function tg_decision_request__wake();
--! EndIncluded decide/tg_decision_request__wake.sql
--! Included decide/request_decisions.sql
-- Whatever changes an answer without a report asks this way: the clusters concerned are looked up by whoever decides next, so
-- that a person's open transaction holds no lock that reports or decisions need (what-if depends on it).
create or replace function request_decisions(
  cause text,
  rule_names text[] default null,
  org_id bigint default null,
  cluster text default null,
  silence_id bigint default null,
  at timestamptz default now()
) returns void
language sql volatile
set search_path = public, pg_temp
as $$
  insert into decision_request (cause, rule_names, org_id, cluster, silence_id, due_at)
  values (request_decisions.cause, request_decisions.rule_names, request_decisions.org_id, request_decisions.cluster,
    request_decisions.silence_id, request_decisions.at);
$$;

comment on function request_decisions(text, text[], bigint, text, bigint, timestamptz) is
  'Asks for a new decision, from this time on, about the clusters with issues of these rules, this organization, this cluster, or held by this silence; null: any.';
--! EndIncluded decide/request_decisions.sql
--! Included issues/readable_report.sql
-- Not `language sql`: the planner works out a cast of a constant before it looks at the condition around it.
create or replace function readable_report(report text) returns jsonb
language plpgsql immutable parallel safe
set search_path = public, pg_temp
as $$
begin
  return case when pg_input_is_valid(report, 'jsonb') then report::jsonb end;
end $$;

comment on function readable_report(text) is
  'A stored report as JSON; null where it is not valid JSON, as other programs may write it.';
--! EndIncluded issues/readable_report.sql
--! Included issues/report_hits.sql
-- Details do not count: an issue is the same issue when its rule and error key are. What is not a well-formed hit
-- is passed over here; the consumer has already refused such messages, other writers are not refused anything.
create or replace function report_hits(report jsonb) returns table (component text, error_key text)
language sql immutable parallel safe
begin atomic
  select distinct hit ->> 'component', hit ->> 'key'
  from jsonb_array_elements(
    case jsonb_typeof(report -> 'reports') when 'array' then report -> 'reports' else '[]' end) as hit
  where jsonb_typeof(hit -> 'component') = 'string'
    and jsonb_typeof(hit -> 'key') = 'string'
    and length(hit ->> 'component') between 1 and 255
    and length(hit ->> 'key') between 1 and 255;
end;

comment on function report_hits(jsonb) is
  'The rule hits of a report: one row for each different (component, error key).';
--! EndIncluded issues/report_hits.sql
--! Included issues/hit_details.sql
-- A report may name the same rule and error key several times; the first one is told.
create or replace function hit_details(report jsonb) returns table (component text, error_key text, details jsonb)
language sql immutable parallel safe
begin atomic
  select distinct on (hit ->> 'component', hit ->> 'key') hit ->> 'component', hit ->> 'key', hit -> 'details'
  from jsonb_array_elements(
    case jsonb_typeof(report -> 'reports') when 'array' then report -> 'reports' else '[]' end)
    with ordinality as h (hit, nth)
  order by hit ->> 'component', hit ->> 'key', nth;
end;

comment on function hit_details(jsonb) is
  'The details of the hits of a report: what the templates of their content see as pydata; one row for each rule and error key.';
--! EndIncluded issues/hit_details.sql
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
  -- the hits of the reports that are newer than what we knew; a report without hits has one row with nulls
  orgs bigint[];
  clusters text[];
  ordinals integer[];  -- 1 for the oldest of these reports of a cluster, then 2, …
  times timestamptz[];
  arrivals timestamptz[];
  components text[];
  error_keys text[];
  seen_at timestamptz;
begin
  if not exists (select from arrived) then
    return null;
  end if;

  insert into read_errors (org_id, cluster, updated_at, error_text)
  select org_id, cluster, updated_at, 'report is not valid JSON'
  from arrived
  where not pg_input_is_valid(report, 'jsonb');

  with readable as materialized (
    select org_id, cluster, updated_at, account_number, received_at, report::jsonb as report
    from arrived
    where pg_input_is_valid(report, 'jsonb')
  ), advanced as (
    insert into latest_report as l (org_id, cluster, updated_at, account_number, received_at)
    select distinct on (org_id, cluster) org_id, cluster, updated_at, account_number, received_at
    from readable
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
  ), fresh as (
    select r.org_id, r.cluster, r.updated_at, r.report,
      -- replaced by somebody who left received_at as it was: known from now on, not since then
      case when r.received_at = before.received_at then now() else r.received_at end as received_at,
      row_number() over (partition by r.org_id, r.cluster order by r.updated_at)::integer as ordinal
    from readable r
    join advanced a using (org_id, cluster)
    left join latest_report before
      on tg_op = 'UPDATE' and before.org_id = r.org_id and before.cluster = r.cluster
    where case tg_op when 'UPDATE' then r.updated_at = a.updated_at
                     else a.previous_at is null or r.updated_at > a.previous_at end
  )
  select array_agg(org_id), array_agg(cluster), array_agg(ordinal), array_agg(updated_at),
    array_agg(received_at), array_agg(component), array_agg(error_key)
  into orgs, clusters, ordinals, times, arrivals, components, error_keys
  from fresh
  left join lateral report_hits(report) on true;

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
--! Included ingest/wake_dead_letters.sql
-- Without a dead-letter topic no process takes the task: one job then waits in the queue, never more.
create or replace function wake_dead_letters() returns void
language sql volatile
set search_path = public, pg_temp
as $$
  select graphile_worker.add_job('forward_rejected', job_key := 'forward_rejected', job_key_mode := 'preserve_run_at');
$$;

comment on function wake_dead_letters() is 'Queues the task that forwards rejected messages to the dead-letter topic.';
--! EndIncluded ingest/wake_dead_letters.sql
--! Included ingest/store_reports.sql
-- The one place that turns messages into rows of new_reports, for ingest() and retry_rejected(). What is stored, replaced
-- or unchanged counts against the table and against the earlier messages of the batch.
create or replace function store_reports(
  batch jsonb,
  from_offset bigint,
  at timestamptz
) returns table (stored integer, replaced integer, unchanged integer)
language plpgsql volatile
set search_path = public, pg_temp
as $$
#variable_conflict use_column
begin
  perform ensure_partition('new_reports', day)
  from (
    select distinct (m.updated_at at time zone 'UTC')::date as day
    from jsonb_to_recordset(batch) as m (updated_at timestamptz)
    where m.updated_at between store_reports.at - interval '14 days' and store_reports.at + interval '1 day'
  ) days
  where to_regclass('new_reports_' || to_char(day, 'YYYYMMDD')) is null
  order by day;

  return query
  with accepted as materialized (
    select m.org_id, m.cluster collate "C" as cluster, m.updated_at, m.account_number, m.kafka_offset,
      coalesce(m.id, m.kafka_offset) as nth, -- rejected messages of several partitions: in the order of their arrival
      ((m.message -> 'Report')
        - '{system,fingerprints,skips,info,pass,analysis_metadata}'::text[])::text as report
    from jsonb_to_recordset(batch) as m (
      id bigint, kafka_offset bigint, reason text,
      org_id bigint, account_number bigint, cluster text, updated_at timestamptz, message jsonb)
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
end $$;

comment on function store_reports(jsonb, bigint, timestamptz) is
  'Stores the reports of a batch (what has a reason, or comes before from_offset, is passed over); says how many were new, had other content before, or were there already.';
--! EndIncluded ingest/store_reports.sql
--! Included ingest/ingest.sql
-- One call per Kafka batch of one partition: reports, rejected messages, issues (by trigger) and the consumer offset
-- move together or not at all.
--
-- The reports arrive as they were on the wire: PostgreSQL parses them once and keeps numbers exactly, JavaScript would
-- round the large ones. An element of the batch is {kafka_offset, org_id, account_number, cluster, updated_at, message} or, for
-- what was rejected, {kafka_offset, reason, detail, key, value, headers} (key, value and header values in base64) with
-- org_id and cluster where they could be read.
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
--! Included ingest/retry_rejected.sql
-- Messages that were rejected, tried again by the same parser (src/ingest/retry.ts). An element of the batch is what ingest()
-- takes, with the id of the rejected message. What conforms now is stored as if it had just arrived; no offset moves.
create or replace function retry_rejected(
  batch jsonb,
  at timestamptz default now()
) returns table (stored integer, replaced integer, unchanged integer, rejected integer, done_already integer)
language plpgsql volatile
set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
  waiting bigint[];
begin
  -- of two at once, the second one waits here and finds stored what the first one has stored
  with locked as (
    select r.id
    from rejected_message r
    where r.id in (select m.id from jsonb_to_recordset(batch) as m (id bigint)) and r.stored_at is null
    order by r.id
    for update
  )
  select coalesce(array_agg(locked.id), '{}') into waiting from locked;

  select s.stored, s.replaced, s.unchanged into stored, replaced, unchanged
  from (
    select coalesce(jsonb_agg(m.element), '[]') as batch
    from jsonb_array_elements(batch) as m (element)
    where (m.element ->> 'id')::bigint = any (waiting)
  ) mine
  cross join lateral store_reports(mine.batch, 0, retry_rejected.at) s;

  with tried as (
    update rejected_message r
    set attempts = r.attempts + 1,
        retried_at = retry_rejected.at,
        stored_at = case when m.reason is null then retry_rejected.at end,
        reason = coalesce(m.reason, r.reason),
        detail = coalesce(m.detail, r.detail),
        org_id = m.org_id,
        cluster = m.cluster,
        -- what is stored needs nobody's attention any more
        dead_letter_due_at = case when m.reason is not null then r.dead_letter_due_at end
    from jsonb_to_recordset(batch) as m (id bigint, org_id bigint, cluster text, reason text, detail text)
    where r.id = m.id and r.id = any (waiting)
    returning m.reason
  )
  select count(t.reason), jsonb_array_length(batch) - count(*) into rejected, done_already from tried t;

  perform announce('retried', jsonb_build_object(
    'stored', stored, 'replaced', replaced, 'unchanged', unchanged, 'rejected', rejected));
  return next;
end $$;

comment on function retry_rejected(jsonb, timestamptz) is
  'Stores rejected messages that conform now as if they had just arrived, and renews the reason of those that do not; what has been stored already is left alone.';
--! EndIncluded ingest/retry_rejected.sql
--! Included ingest/claim_dead_letters.sql
-- With a lease, so that nobody holds a transaction open while the broker answers: what is not settled until then goes out
-- again. At most max_bytes together, unless a single message is larger.
create or replace function claim_dead_letters(
  batch_size integer,
  max_bytes bigint,
  lease interval,
  at timestamptz default now()
) returns setof rejected_message
language sql volatile
set search_path = public, pg_temp
as $$
  with due as materialized (
    select r.id, octet_length(r.value) as bytes
    from rejected_message r
    where r.dead_letter_due_at <= claim_dead_letters.at
    order by r.dead_letter_due_at, r.id
    limit batch_size
    for update skip locked
  ), sized as (
    select d.id, sum(d.bytes) over (order by d.id) as bytes, row_number() over (order by d.id) as nth
    from due d
  )
  update rejected_message r
  set dead_letter_due_at = claim_dead_letters.at + lease
  from sized s
  where r.id = s.id and (s.nth = 1 or s.bytes is null or s.bytes <= max_bytes)
  returning r.*;
$$;

comment on function claim_dead_letters(integer, bigint, interval, timestamptz) is
  'Takes rejected messages that have to go to the dead-letter topic; they are due again when the lease ends.';
--! EndIncluded ingest/claim_dead_letters.sql
--! Included ingest/settle_dead_letters.sql
create or replace function settle_dead_letters(
  ids bigint[],
  error text default null,
  at timestamptz default now()
) returns void
language sql volatile
set search_path = public, pg_temp
as $$
  update rejected_message r
  set dead_letter_due_at = null,
      dead_letter_error = error,
      dead_lettered_at = case when error is null then settle_dead_letters.at end
  where r.id = any (ids);
$$;

comment on function settle_dead_letters(bigint[], text, timestamptz) is
  'Records that rejected messages are on the dead-letter topic or, with an error, that they cannot go there.';
--! EndIncluded ingest/settle_dead_letters.sql
--! Included ingest/rejected_summary.sql
create or replace view rejected_summary with (security_invoker = true) as
select
  s.hour,
  s.topic,
  s.reason,
  s.messages,
  s.waiting,
  s.first_at,
  s.last_at,
  e.id as example_id,
  format('%s/%s/%s', e.topic, e.partition, e.kafka_offset) as example,
  e.detail as example_detail
from (
  select
    date_trunc('hour', r.received_at) as hour,
    r.topic,
    r.reason,
    count(*) as messages,
    count(*) filter (where r.stored_at is null) as waiting,
    min(r.received_at) as first_at,
    max(r.received_at) as last_at,
    coalesce(max(r.id) filter (where r.stored_at is null), max(r.id)) as example_id
  from rejected_message r
  group by 1, 2, 3
) s
join rejected_message e on e.id = s.example_id;

comment on view rejected_summary is 'What was rejected, by hour, topic and reason, each with an example (ccx rejected show).';
comment on column rejected_summary.hour is 'hour in which they arrived';
comment on column rejected_summary.topic is 'Kafka topic they came from';
comment on column rejected_summary.reason is 'why, from a fixed vocabulary (docs/ingest.md)';
comment on column rejected_summary.messages is 'how many there were';
comment on column rejected_summary.waiting is 'how many of them no retry has stored since';
comment on column rejected_summary.first_at is 'when the first one arrived';
comment on column rejected_summary.last_at is 'when the last one arrived';
comment on column rejected_summary.example_id is 'id of the last one that waits, or of the last one';
comment on column rejected_summary.example is 'its topic/partition/offset';
comment on column rejected_summary.example_detail is 'why it was rejected, as a sentence';
--! EndIncluded ingest/rejected_summary.sql
--! Included decide/target_id.sql
create or replace function target_id(target text) returns integer
language plpgsql stable parallel safe
set search_path = public, pg_temp
as $$
declare
  id integer := (select t.id from event_targets t where t.name = target_id.target);
begin
  if id is null then
    raise exception 'there is no target "%"; the targets are: %', target_id.target,
      (select string_agg(t.name, ', ' order by t.id) from event_targets t)
      using errcode = 'invalid_parameter_value';
  end if;
  return id;
end $$;

comment on function target_id(text) is 'The number of a target by its name; an error that lists the names when there is none.';
--! EndIncluded decide/target_id.sql
--! Included decide/silence_in_force.sql
create or replace function silence_in_force(period tstzrange, created_at timestamptz, ended_at timestamptz) returns tstzrange
language sql immutable parallel safe
return case
  when least(upper(period), coalesce(ended_at, 'infinity')) <= greatest(lower(period), created_at) then 'empty'::tstzrange
  else tstzrange(greatest(lower(period), created_at), least(upper(period), coalesce(ended_at, 'infinity')))
end;

comment on function silence_in_force(tstzrange, timestamptz, timestamptz) is
  'When a silence really holds: its period, but not before it was created and not after it was ended.';
--! EndIncluded decide/silence_in_force.sql
--! Included decide/silence_matches.sql
-- One expression, so that it is inlined wherever it is used: decide(), the preview, and asking again when it ends.
create or replace function silence_matches(
  silence silence, org_id bigint, cluster text, rule_name text, error_key text, tags text[]
) returns boolean
language sql immutable parallel safe
return (silence.org_id is null or silence.org_id = org_id)
  and (silence.cluster is null or silence.cluster = cluster)
  and (silence.rule_name is null or silence.rule_name = rule_name)
  and (silence.error_key is null or silence.error_key = error_key)
  and (silence.tag is null or silence.tag = any (tags));

comment on function silence_matches(silence, bigint, text, text, text, text[]) is
  'Does this silence hold an issue with these properties (tags: of the rule''s content); what it does not name matches anything.';
--! EndIncluded decide/silence_matches.sql
--! Included decide/compile_filter.sql
-- Read from left to right once: a regular expression cuts the text into tokens, operators wait on a stack until what
-- follows binds less tightly (the shunting-yard algorithm). Whatever is not understood is refused: a filter that is
-- half understood would hold notifications, or let them through, without anybody knowing.
create or replace function compile_filter(filter text) returns text[]
language plpgsql immutable strict parallel safe
set search_path = public, pg_temp
as $$
declare
  max_length constant integer := 4000;
  max_depth constant integer := 100;
  variables constant text[] := '{likelihood,impact,severity,totalRisk,likelihoodThreshold,impactThreshold,severityThreshold,totalRiskThreshold}';
  -- the higher binds the tighter; no entry for "(", so nothing takes it off the stack but its ")"
  precedence constant jsonb := '{"neg": 6, "!": 6, "*": 5, "/": 5, "%": 5, "+": 4, "-": 4, "==": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "&&": 2, "||": 1}';
  -- The longest alternative wins, so "/*" alone is a comment without an end, and the last one is what we do not know.
  -- A word that begins with a digit is one token, to be refused as a whole: 0x02, 1.5.
  pattern constant text := '[ \t\r\n]+|//[^\n]*|/[*](?:[^*]|[*]+[^*/])*[*]+/|/[*]|[0-9][0-9A-Za-z_.]*|[A-Za-z_][0-9A-Za-z_]*|[=!<>]=|&&|[|][|]|.';
  compiled text[] := '{}';
  waiting text[] := '{}';
  top integer := 0;
  opened_at integer[] := '{}';
  depth integer := 0;
  token text;
  token_at integer;
  next_at integer := 1;
  is_operand boolean;
  operand_expected boolean := true;
  problem text;
begin
  if length(filter) > max_length then
    raise exception 'the filter has % characters; it may have %', length(filter), max_length
      using errcode = 'invalid_parameter_value';
  end if;

  for token in select m[1] from regexp_matches(filter, pattern, 'g') m loop
    token_at := next_at;
    next_at := token_at + length(token);
    continue when token ~ '^([ \t\r\n]|//|/[*].)';

    is_operand := token ~ '^[0-9A-Za-z_]';
    problem := case
      when token = '/*' then
        'the comment "/*" does not end'
      when token ~ '^[0-9]' and token !~ '^(0|[1-9][0-9]*)$' then
        format('"%s" is not a decimal number', token)
      when token ~ '^[0-9]' and token::numeric > 9223372036854775807 then
        format('the number "%s" is beyond 64 bits, the largest is 9223372036854775807', token)
      when is_operand and token !~ '^[0-9]' and token <> all (variables) then
        format('there is no variable "%s"; the variables are: %s', token, array_to_string(variables, ', '))
      when not is_operand and token not in ('(', ')') and not precedence ? token then
        format('unknown character "%s"; the operators are: ! * / %% + - == != < <= > >= && ||', token)
      when token = ')' and depth = 0 then
        '")" without a "(" before it'
      when operand_expected and not is_operand and token not in ('-', '!', '(') then
        format('a number or a variable is missing before "%s"', token)
      when not operand_expected and (is_operand or token in ('!', '(')) then
        format('an operator is missing before "%s"', token)
      when token = '(' and depth = max_depth then
        format('"(" is nested deeper than %s', max_depth)
    end;
    exit when problem is not null;

    if is_operand then
      compiled := compiled || token;
      operand_expected := false;
    elsif token = '(' then
      depth := depth + 1;
      opened_at[depth] := token_at;
      top := top + 1;
      waiting[top] := token;
    elsif token = ')' then
      while waiting[top] <> '(' loop
        compiled := compiled || waiting[top];
        top := top - 1;
      end loop;
      top := top - 1;
      depth := depth - 1;
    elsif operand_expected then
      top := top + 1;
      waiting[top] := case token when '-' then 'neg' else token end;
    else
      while precedence -> waiting[top] >= precedence -> token loop
        compiled := compiled || waiting[top];
        top := top - 1;
      end loop;
      top := top + 1;
      waiting[top] := token;
      operand_expected := true;
    end if;
  end loop;

  if problem is null and cardinality(compiled) = 0 and top = 0 then
    raise exception 'the filter is empty' using errcode = 'invalid_parameter_value';
  end if;
  if problem is null and operand_expected then
    token_at := next_at;
    problem := 'a number or a variable is missing at the end';
  elsif problem is null and depth > 0 then
    token_at := opened_at[depth];
    problem := '"(" without a ")" after it';
  end if;
  if problem is not null then
    raise exception 'the filter cannot be read at position %: %', token_at, problem
      using errcode = 'invalid_parameter_value';
  end if;
  while top > 0 loop
    compiled := compiled || waiting[top];
    top := top - 1;
  end loop;
  return compiled;
end $$;

comment on function compile_filter(text) is
  'Reads a filter expression and returns it in postfix order for evaluate_filter(); refuses what it does not understand and says where.';
--! EndIncluded decide/compile_filter.sql
--! Included decide/evaluate_filter.sql
-- Arithmetic is that of 64 bits, which wraps around. numeric holds every result in between, so wrapping is one step at
-- the end instead of an exception to catch in each operator. Both sides of && and || are evaluated: a division by zero
-- shows at the first content, not at the first content that gets that far. It is not raised: workers of a parallel query could not
-- catch it before PostgreSQL 17.
create or replace function evaluate_filter(
  compiled text[],
  likelihood bigint,
  impact bigint,
  severity bigint,
  total_risk bigint,
  likelihood_threshold bigint,
  impact_threshold bigint,
  severity_threshold bigint,
  total_risk_threshold bigint
) returns bigint
language plpgsql immutable strict parallel safe
set search_path = public, pg_temp
as $$
declare
  two_63 constant numeric := 9223372036854775808;
  two_64 constant numeric := 18446744073709551616;
  stack bigint[] := '{}';
  top integer := 0;
  token text;
  a bigint;
  b bigint;
  value numeric;
begin
  foreach token in array compiled loop
    a := stack[top - 1];
    b := stack[top];
    if b = 0 and token in ('/', '%') then
      return null;
    end if;
    value := case token
      when '*' then a::numeric * b
      when '/' then div(a, b)
      when '%' then mod(a, b)
      when '+' then a::numeric + b
      when '-' then a::numeric - b
      when '==' then (a = b)::integer
      when '!=' then (a <> b)::integer
      when '<' then (a < b)::integer
      when '<=' then (a <= b)::integer
      when '>' then (a > b)::integer
      when '>=' then (a >= b)::integer
      when '&&' then (a <> 0 and b <> 0)::integer
      when '||' then (a <> 0 or b <> 0)::integer
      when 'neg' then - b::numeric
      when '!' then (b = 0)::integer
      when 'likelihood' then likelihood
      when 'impact' then impact
      when 'severity' then severity
      when 'totalRisk' then total_risk
      when 'likelihoodThreshold' then likelihood_threshold
      when 'impactThreshold' then impact_threshold
      when 'severityThreshold' then severity_threshold
      when 'totalRiskThreshold' then total_risk_threshold
      else token::bigint
    end;
    top := top + case
      when token in ('neg', '!') then 0
      when token ~ '^[0-9a-zA-Z]' then 1
      else -1
    end;
    stack[top] := case
      when value >= -two_63 and value < two_63 then value
      else mod(mod(value, two_64) + two_64 + two_63, two_64) - two_63
    end;
  end loop;
  return stack[1];
end $$;

comment on function evaluate_filter(text[], bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint) is
  'The value of a filter for one issue; it lets the issue through when the value is greater than 0; null: it divides by zero. compiled is what compile_filter() returned.';
--! EndIncluded decide/evaluate_filter.sql
--! Included decide/filter_lets_through.sql
-- The one place where a filter meets content. A division by zero does not stop anything else: the filter just does not let this
-- content through, and filter_result says why.
create or replace function filter_lets_through(policy policy, content rule_content) returns boolean
language sql immutable parallel safe
return evaluate_filter(
  policy.compiled_filter, content.likelihood, content.impact, 0, content.total_risk,
  policy.likelihood_threshold, policy.impact_threshold, policy.severity_threshold, policy.total_risk_threshold) > 0;

comment on function filter_lets_through(policy, rule_content) is
  'Does the filter of this policy let this content through; null: it divides by zero, which counts as no.';
--! EndIncluded decide/filter_lets_through.sql
--! Included decide/tg_policy__filter_results.sql
create or replace function tg_policy__filter_results() returns trigger
language plpgsql volatile
set search_path = public, pg_temp
as $$
begin
  insert into filter_result (policy_id, content_id, passes, error)
  select p.id, c.id, coalesce(f.passes, false), case when f.passes is null then 'the filter divides by zero' end
  from added p
  join rule_content c on c.validity && p.validity
  cross join lateral (
    select filter_lets_through((select x from policy x where x.id = p.id), c) as passes offset 0
  ) f
  where p.filter is not null;
  return null;
end $$;

comment on function tg_policy__filter_results() is
  'Trigger of policy: evaluates the filter of a new policy for all content of its time.';

create or replace trigger _200_filter_results after insert on policy
  referencing new table as added
  for each statement execute function tg_policy__filter_results();
--! EndIncluded decide/tg_policy__filter_results.sql
--! Included content/tg_rule_content__filter_results.sql
create or replace function tg_rule_content__filter_results() returns trigger
language plpgsql volatile
set search_path = public, pg_temp
as $$
begin
  insert into filter_result (policy_id, content_id, passes, error)
  select p.id, c.id, coalesce(f.passes, false), case when f.passes is null then 'the filter divides by zero' end
  from added c
  join policy p on p.filter is not null and p.validity && c.validity
  cross join lateral (
    select filter_lets_through(p, (select x from rule_content x where x.id = c.id)) as passes offset 0
  ) f;
  return null;
end $$;

comment on function tg_rule_content__filter_results() is
  'Trigger of rule_content: evaluates the filters of all policies of its time for new content.';

create or replace trigger _200_filter_results after insert on rule_content
  referencing new table as added
  for each statement execute function tg_rule_content__filter_results();
--! EndIncluded content/tg_rule_content__filter_results.sql
--! Included content/tg_rule_content__announce.sql
create or replace function tg_rule_content__announce() returns trigger
language plpgsql volatile
set search_path = public, pg_temp
as $$
begin
  perform pg_notify('ccx_content', '');
  return null;
end $$;

comment on function tg_rule_content__announce() is
  'Trigger of rule_content: tells the workers, on the channel ccx_content, to look whether what they keep of it still holds.';

create or replace trigger _900_announce after insert or update or delete on rule_content
  for each statement execute function tg_rule_content__announce();
--! EndIncluded content/tg_rule_content__announce.sql
--! Included decide/tg_policy__history.sql
-- The past keeps its answer: a version is never changed, only ended, and never before it began. (Whoever gives set_policy() a
-- time in the past does change what is said of that time: that is for simulated clocks.)
create or replace function tg_policy__history() returns trigger
language plpgsql volatile
set search_path = public, pg_temp
as $$
begin
  if tg_op = 'UPDATE'
    -- compiled_filter is generated: not yet there in a trigger before the update
    and to_jsonb(old) - '{validity,ended_by,end_reason,compiled_filter}'::text[]
      = to_jsonb(new) - '{validity,ended_by,end_reason,compiled_filter}'::text[]
    and lower(old.validity) = lower(new.validity)
    and upper_inf(old.validity)
  then
    return new;
  end if;
  raise exception 'a version of a policy is not changed or deleted: set_policy() makes a new one, end_policy() ends one'
    using errcode = 'invalid_parameter_value';
end $$;

comment on function tg_policy__history() is 'Trigger of policy: refuses whatever would change what a past decision went by.';

create or replace trigger _100_history before update or delete on policy
  for each row execute function tg_policy__history();
--! EndIncluded decide/tg_policy__history.sql
--! Included decide/lock_policies.sql
create or replace function lock_policies(target_id integer) returns void
language sql volatile
set search_path = public, pg_temp
as $$
  select pg_advisory_xact_lock(hashtextextended('policies of target', lock_policies.target_id));
$$;

comment on function lock_policies(integer) is
  'Lets changes to the policies of a target take turns, until the transaction ends; decisions do not wait for it.';
--! EndIncluded decide/lock_policies.sql
--! Included decide/check_policy.sql
-- The bounds stand once, as constraints of the table, and what they mean in the comments on them. Asking them here gives that
-- sentence instead of the constraint's name, and holds a policy that is only tried out (backtest) to the same bounds.
create or replace function check_policy(policy policy) returns void
language plpgsql stable
set search_path = public, pg_temp
as $$
declare
  bound record;
  holds boolean;
begin
  for bound in
    select a.attname as column_name
    from pg_attribute a
    where a.attrelid = 'policy'::regclass and a.attnum > 0 and a.attnotnull and not a.attisdropped
      and a.attname not in ('id', 'changed_by')
    order by a.attnum
  loop
    execute format('select ($1).%I is not null', bound.column_name) into holds using policy;
    if not holds then
      raise exception 'the setting % cannot be empty', bound.column_name using errcode = 'invalid_parameter_value';
    end if;
  end loop;
  for bound in
    select pg_get_expr(c.conbin, c.conrelid) as expression, coalesce(obj_description(c.oid, 'pg_constraint'), c.conname) as meaning
    from pg_constraint c
    where c.conrelid = 'policy'::regclass and c.contype = 'c'
    order by c.conname
  loop
    execute format('select %s from (select ($1).*) as policy', bound.expression) into holds using policy;
    if not holds then
      raise exception '%', bound.meaning using errcode = 'invalid_parameter_value';
    end if;
  end loop;
end $$;

comment on function check_policy(policy) is
  'Refuses, with a sentence, a policy that the table would not take; whether its time is free is not asked.';
--! EndIncluded decide/check_policy.sql
--! Included decide/changed_policy.sql
-- Clusters are written in small letters, as the consumer stores them.
create or replace function changed_policy(policy policy, change jsonb, at timestamptz default now()) returns policy
language plpgsql stable parallel safe
set search_path = public, pg_temp
as $$
declare
  settings constant text[] := '{enabled,total_risk_threshold,likelihood_threshold,impact_threshold,severity_threshold,required_tags,cooldown,max_events,filter,allowed_clusters,blocked_clusters,spacing,flapping_occurrences,flapping_window,flapping_action,tell_resolved}';
  wrong text;
  changed policy;
begin
  if jsonb_typeof(change) is distinct from 'object' then
    raise exception 'a change of a policy is an object of settings' using errcode = 'invalid_parameter_value';
  end if;
  select key into wrong from jsonb_object_keys(change) key where key <> all (settings) limit 1;
  if found then
    raise exception 'a policy has no setting "%"; the settings are: %', wrong, array_to_string(settings, ', ')
      using errcode = 'invalid_parameter_value';
  end if;
  for wrong in select key from jsonb_object_keys(change) key where key in ('cooldown', 'spacing', 'flapping_window') loop
    if change ->> wrong ~ '^[ +-]*[0-9.]+ *$' and change ->> wrong !~ '^[ +-]*0+ *$' or not pg_input_is_valid(change ->> wrong, 'interval') then
      raise exception 'the setting % is an interval with its unit, for example "3 days", not "%"', wrong, change ->> wrong
        using errcode = 'invalid_parameter_value';
    end if;
  end loop;
  changed := jsonb_populate_record(policy, change);
  -- a list that is null stays null: for allowed_clusters it means all of them, the others refuse it
  if changed.required_tags is not null then
    changed.required_tags := array(select btrim(tag) from unnest(changed.required_tags) tag);
  end if;
  if changed.blocked_clusters is not null then
    changed.blocked_clusters := array(select lower(btrim(name)) from unnest(changed.blocked_clusters) name);
  end if;
  if changed.allowed_clusters is not null then
    changed.allowed_clusters := array(select lower(btrim(name)) from unnest(changed.allowed_clusters) name);
  end if;
  changed.tell_resolved_since := case when changed.tell_resolved then coalesce(policy.tell_resolved_since, at) end;
  changed.compiled_filter := compile_filter(changed.filter);
  perform check_policy(changed);
  return changed;
end $$;

comment on function changed_policy(policy, jsonb, timestamptz) is
  'The policy with these settings changed from this time on; refuses settings that do not exist, are out of bounds, or filters that cannot be read. Writes nothing.';
--! EndIncluded decide/changed_policy.sql
--! Included decide/issue_verdict.sql
-- The row that verdict() returns. A type, since the columns of `returns table` cannot have a collation: without it a question
-- about one cluster would not reach the index.
do $$
begin
  if to_regtype('issue_verdict') is null then
    create type issue_verdict as (
      issue_id bigint,
      org_id bigint,
      cluster text collate "C",
      component text,
      error_key text,
      rule_name text,
      first_seen timestamptz,
      policy_id bigint,
      content_id bigint,
      total_risk smallint,
      tags text[],
      reasons text[],
      cooldown interval,
      spacing interval,
      allowed_clusters text[],
      blocked_clusters text[],
      flapping_occurrences smallint,
      flapping_window interval,
      flapping_action text,
      tell_resolved_since timestamptz,
      max_events integer,
      target_id integer
    );
  end if;
end $$;

comment on type issue_verdict is 'what policy and content alone say about an issue, with what else is needed of the policy';
comment on column issue_verdict.issue_id is 'the issue, open or not';
comment on column issue_verdict.org_id is 'organization that owns the cluster';
comment on column issue_verdict.cluster is 'the cluster';
comment on column issue_verdict.component is 'its rule, as reports spell it';
comment on column issue_verdict.error_key is 'which of the rule''s problems';
comment on column issue_verdict.rule_name is 'bare name of the rule';
comment on column issue_verdict.first_seen is 'time of the first report that had it';
comment on column issue_verdict.policy_id is 'policy version that decides';
comment on column issue_verdict.content_id is 'content version that decides; null: nothing is known about the rule';
comment on column issue_verdict.total_risk is 'total risk of the rule';
comment on column issue_verdict.tags is 'tags of the rule';
comment on column issue_verdict.reasons is 'reasons that hold it whatever the cluster';
comment on column issue_verdict.cooldown is 'cooldown of the policy';
comment on column issue_verdict.spacing is 'spacing of the policy';
comment on column issue_verdict.allowed_clusters is 'the only clusters the policy allows; null: all';
comment on column issue_verdict.blocked_clusters is 'clusters the policy blocks';
comment on column issue_verdict.flapping_occurrences is 'so many occurrences within flapping_window are flapping';
comment on column issue_verdict.flapping_window is 'see flapping_occurrences';
comment on column issue_verdict.flapping_action is 'tell or damp';
comment on column issue_verdict.tell_resolved_since is 'issues that went after this are told as resolved; null: none';
comment on column issue_verdict.max_events is 'most issues in one message';
comment on column issue_verdict.target_id is 'the target that the policy is for';
--! EndIncluded decide/issue_verdict.sql
--! Included decide/policy_reasons.sql
-- The part of a decision that depends on nothing but the policy and what the rule says. One expression, so that it is inlined.
create or replace function policy_reasons(
  policy policy, content rule_content, target_enabled boolean, filter_passes boolean
) returns text[]
language sql immutable parallel safe
return array_remove(array[
  case when not target_enabled then 'target_disabled' end,
  case when target_enabled and not policy.enabled then 'policy_disabled' end,
  case when content.id is null then 'no_content' end,
  case when content.status = 'inactive' then 'inactive' end,
  case when policy.filter is null and (
      content.total_risk < policy.total_risk_threshold or content.likelihood < policy.likelihood_threshold
      or content.impact < policy.impact_threshold or 0 < policy.severity_threshold)
    then 'below_threshold' end,
  case when policy.filter is not null and content.id is not null
      and coalesce(filter_passes, filter_lets_through(policy, content)) is not true
    then 'filtered' end,
  case when not content.tags @> policy.required_tags then 'missing_tag' end
], null);

comment on function policy_reasons(policy, rule_content, boolean, boolean) is
  'The reasons for which this policy holds every issue of a rule with this content, whatever the cluster. target_enabled: of the target-wide policy; filter_passes: what the filter said of the content, null: it has not been asked yet.';
--! EndIncluded decide/policy_reasons.sql
--! Included decide/verdict.sql
-- What policy and content alone say about each issue. The narrowest policy wins: organization and rule, organization, rule,
-- target; but a target that is switched off is off for everybody.
--
-- Only joins by equality, no SET clause and nothing that is looked up row by row, so that the planner takes it apart: a few probes
-- for one cluster, hash joins by several workers for a fleet, however many policies there are.
create or replace function verdict(target integer, at timestamptz, clusters text[] default null) returns setof issue_verdict
language sql stable parallel safe
begin atomic
  select
    i.id,
    i.org_id,
    i.cluster,
    r.component,
    r.error_key,
    r.rule_name,
    i.first_seen,
    p.id,
    c.id,
    c.total_risk,
    c.tags,
    -- evaluated when policy or content was written; now, where two transactions wrote them at the same time
    policy_reasons(p, c, wide.enabled, f.passes),
    p.cooldown,
    p.spacing,
    p.allowed_clusters,
    p.blocked_clusters,
    p.flapping_occurrences,
    p.flapping_window,
    p.flapping_action,
    p.tell_resolved_since,
    p.max_events,
    wide.target_id
  from issue i
  join rule r on r.id = i.rule_id
  -- not `validity @> at`: of that the planner expects one row when `at` differs from row to row (backtest), and compares all
  -- rules with all content for every issue
  left join rule_content c
    on c.rule_name = r.rule_name and c.error_key = r.error_key
    and coalesce(lower(c.validity) <= at, true) and coalesce(upper(c.validity) > at, true)
  join policy wide
    on wide.org_id is null and wide.rule_name is null and coalesce(wide.target_id = verdict.target, verdict.target is null)
    and coalesce(lower(wide.validity) <= at, true) and coalesce(upper(wide.validity) > at, true)
  left join policy by_rule
    on by_rule.target_id = wide.target_id and by_rule.rule_name = r.rule_name and by_rule.org_id is null
    and coalesce(lower(by_rule.validity) <= at, true) and coalesce(upper(by_rule.validity) > at, true)
  left join policy by_org
    on by_org.target_id = wide.target_id and by_org.org_id = i.org_id and by_org.rule_name is null
    and coalesce(lower(by_org.validity) <= at, true) and coalesce(upper(by_org.validity) > at, true)
  left join policy by_both
    on by_both.target_id = wide.target_id and by_both.org_id = i.org_id and by_both.rule_name = r.rule_name
    and coalesce(lower(by_both.validity) <= at, true) and coalesce(upper(by_both.validity) > at, true)
  -- there always is one; of a plain join by this expression the planner expects a match for one in 200 rows
  left join policy p on p.id = coalesce(by_both.id, by_org.id, by_rule.id, wide.id)
  left join filter_result f on f.policy_id = p.id and f.content_id = c.id
  where clusters is null or i.cluster = any (clusters);
end;

comment on function verdict(integer, timestamptz, text[]) is
  'Which policy and content decide about each issue, open or not, for this target (null: each of them) at this time, and the reasons that hold it whatever the cluster (clusters: only these).';
--! EndIncluded decide/verdict.sql
--! Included decide/changed_verdict.sql
-- The target-wide policy with a change that nobody has made: it also switches the target on or off for the narrower ones.
create or replace function changed_verdict(target integer, at timestamptz, change jsonb) returns setof issue_verdict
language sql stable
begin atomic
  select
    v.issue_id,
    v.org_id,
    v.cluster,
    v.component,
    v.error_key,
    v.rule_name,
    v.first_seen,
    v.policy_id,
    v.content_id,
    v.total_risk,
    v.tags,
    policy_reasons(p.policy, c, changed.enabled, case when stored.id <> wide.id then f.passes end),
    (p.policy).cooldown,
    (p.policy).spacing,
    (p.policy).allowed_clusters,
    (p.policy).blocked_clusters,
    (p.policy).flapping_occurrences,
    (p.policy).flapping_window,
    (p.policy).flapping_action,
    (p.policy).tell_resolved_since,
    (p.policy).max_events,
    v.target_id
  from policy wide
  cross join lateral changed_policy(wide, change, at) changed
  join verdict(target, at) v on v.target_id = wide.target_id
  join policy stored on stored.id = v.policy_id
  cross join lateral (select case stored.id when wide.id then changed else stored end as policy) p
  left join rule_content c on c.id = v.content_id
  left join filter_result f on f.policy_id = v.policy_id and f.content_id = v.content_id
  where wide.target_id = target and wide.org_id is null and wide.rule_name is null and wide.validity @> at;
end;

comment on function changed_verdict(integer, timestamptz, jsonb) is
  'verdict(), with these settings (as for set_policy) of the target-wide policy changed.';
--! EndIncluded decide/changed_verdict.sql
--! Included decide/flapping_until.sql
-- As many occurrences as make an issue flapping: the first of them has to leave the window. By when they became known here.
create or replace function flapping_until(
  issue_id bigint, occurrence integer, flapping_occurrences smallint, flapping_window interval
) returns timestamptz
language sql stable parallel safe
begin atomic
  select cooldown_end(o.known_from, flapping_until.flapping_window)
  from occurrence o
  where o.issue_id = flapping_until.issue_id
    and o.occurrence = flapping_until.occurrence - flapping_until.flapping_occurrences + 1;
end;

comment on function flapping_until(bigint, integer, smallint, interval) is
  'Until when an issue, at this occurrence, counts as flapping: the end of the window in which it appeared flapping_occurrences times; null or past: it does not.';
--! EndIncluded decide/flapping_until.sql
--! Included decide/hold_reasons.sql
-- What a decision says once everything is looked up. decide() gives what the ledger says, backtest() what it would say; the
-- conditions are here, once. Expressions only, so that it is inlined.
create or replace function hold_reasons(
  at timestamptz, policy_reasons text[], cooldown interval, spacing interval, allowed_clusters text[], blocked_clusters text[],
  flapping_action text, cluster text, occurrence integer, is_open boolean, told_at timestamptz, message_at timestamptz,
  flapping_until timestamptz, unrendered_until timestamptz, silence_id bigint, acked_by bigint, disabled_by bigint
) returns table (reasons text[], qualifies boolean, issue_state text, next_eligible_at timestamptz)
language sql immutable parallel safe
begin atomic
  select
    policy_reasons || array_remove(array[
      case when unrendered_until > at then 'render_failed' end,
      case when cluster <> all (allowed_clusters) then 'cluster_not_allowed' end,
      case when cluster = any (blocked_clusters) then 'cluster_blocked' end,
      case when silence_id is not null then 'silenced' end,
      case when acked_by is not null then 'acked' end,
      case when disabled_by is not null then 'disabled' end,
      case when is_open and cooldown_end(told_at, cooldown) > at then 'cooldown' end,
      case when spacing > interval '0' and cooldown_end(message_at, spacing) > at then 'spacing' end,
      case when flapping_action = 'damp' and flapping_until > at then 'flapping' end
    ], null),
    cardinality(policy_reasons) = 0
      and not coalesce(cluster <> all (allowed_clusters) or cluster = any (blocked_clusters), false),
    case
      when not is_open then 'resolved'
      when flapping_until > at then 'flapping'
      when occurrence > 1 then 'regressed'
      else 'new'
    end,
    greatest(
      case when is_open then cooldown_end(told_at, cooldown) end,
      case when spacing > interval '0' then cooldown_end(message_at, spacing) end,
      case when flapping_action = 'damp' then flapping_until end,
      unrendered_until);
end;

comment on function hold_reasons(timestamptz, text[], interval, interval, text[], text[], text, text, integer, boolean, timestamptz, timestamptz, timestamptz, timestamptz, bigint, bigint, bigint) is
  'Every reason that holds an issue of a cluster, none for notify, given what its policy says, when it was last told, when its cluster last got a message, and what else holds it until when.';
--! EndIncluded decide/hold_reasons.sql
--! Included decide/decision.sql
-- The row that decide() returns. A type, so that decide_due() can hold the rows of one run in a variable.
do $$
begin
  if to_regtype('decision') is null then
    create type decision as (
      target_id integer,
      org_id bigint,
      cluster text collate "C",
      issue_id bigint,
      component text,
      error_key text,
      occurrence integer,
      issue_state text,
      first_seen timestamptz,
      last_seen timestamptz,
      total_risk smallint,
      decision text,
      reasons text[],
      qualifies boolean,
      last_told_at timestamptz,
      next_eligible_at timestamptz,
      policy_id bigint,
      content_id bigint,
      silence_id bigint,
      acknowledgement_id bigint,
      render_error text
    );
  end if;
end $$;

comment on type decision is 'one answer of decide(): is this issue to be told to this target, and why (not)';
comment on column decision.target_id is 'the target';
comment on column decision.org_id is 'organization that owns the cluster';
comment on column decision.cluster is 'the cluster';
comment on column decision.issue_id is 'the issue';
comment on column decision.component is 'its rule, as reports spell it';
comment on column decision.error_key is 'which of the rule''s problems';
comment on column decision.occurrence is '1 = new, more = gone and back';
comment on column decision.issue_state is 'new, regressed (gone and back), flapping, or resolved (gone)';
comment on column decision.first_seen is 'time of the first report that had it';
comment on column decision.last_seen is 'time of the newest report that has it';
comment on column decision.total_risk is 'total risk of the rule, null without content';
comment on column decision.decision is 'notify or hold';
comment on column decision.reasons is 'every reason that holds it, empty for notify';
comment on column decision.qualifies is 'the policy lets it through; what holds it, if anything, is a cooldown, a silence or an acknowledgement';
comment on column decision.last_told_at is 'when it was last told to this target';
comment on column decision.next_eligible_at is 'when cooldown, spacing, damping and the wait after a failed rendering have ended; null when none of them ever held';
comment on column decision.policy_id is 'policy version that decided';
comment on column decision.content_id is 'content version that decided';
comment on column decision.silence_id is 'the silence that holds it';
comment on column decision.acknowledgement_id is 'the acknowledgement that holds it';
comment on column decision.render_error is 'why its texts could not be rendered';
--! EndIncluded decide/decision.sql
--! Included decide/last_telling.sql
-- For the few whose newest telling was given up: for the others decide() has it by a join.
create or replace function last_telling(issue_id bigint, target integer, at timestamptz) returns timestamptz
language sql stable parallel safe
begin atomic
  select n.told_at
  from notified_issue n
  where n.issue_id = last_telling.issue_id and n.target_id = last_telling.target
    and n.told_at < at and not n.resolved and not n.voided @> at
  order by n.told_at desc
  limit 1;
end;

comment on function last_telling(bigint, integer, timestamptz) is
  'When an issue was last told to this target before this time, by what was known then; null: never.';
--! EndIncluded decide/last_telling.sql
--! Included decide/last_message.sql
-- A message that had been given up by then does not count; the ledger knows, also of one that got through after all.
create or replace function last_message(org_id bigint, cluster text, target integer, at timestamptz) returns timestamptz
language sql stable parallel safe
begin atomic
  select n.decided_at
  from notification n
  where n.cluster = last_message.cluster and n.org_id = last_message.org_id and n.target_id = target
    and n.decided_at < at
    and exists (select from notified_issue i where i.notification_id = n.id and not i.voided @> at)
  order by n.decided_at desc
  limit 1;
end;

comment on function last_message(bigint, text, integer, timestamptz) is
  'When the last message about a cluster to this target was decided before this time, by what was known then; null: never.';
--! EndIncluded decide/last_message.sql
--! Included decide/newest_report_at.sql
create or replace function newest_report_at(org_id bigint, cluster text, at timestamptz) returns timestamptz
language sql stable parallel safe
begin atomic
  select r.updated_at
  from new_reports r
  where r.org_id = newest_report_at.org_id and r.cluster = newest_report_at.cluster and r.received_at <= at
    and not exists (
      select from read_errors e
      where e.org_id = r.org_id and e.cluster = r.cluster and e.updated_at = r.updated_at)
  order by r.updated_at desc
  limit 1;
end;

comment on function newest_report_at(bigint, text, timestamptz) is
  'The time of a cluster''s newest report that had arrived by then and could be read; null: none is left of then.';
--! EndIncluded decide/newest_report_at.sql
--! Included decide/resolution_is_due.sql
create or replace function resolution_is_due(
  issue_id bigint, occurrence integer, target integer, told_at timestamptz, at timestamptz
) returns boolean
language sql stable parallel safe
begin atomic
  select not exists (
      select from occurrence later
      where later.issue_id = resolution_is_due.issue_id and later.occurrence > resolution_is_due.occurrence
        and later.known_from <= at)
    and not exists (
      select from notified_issue n
      where n.issue_id = resolution_is_due.issue_id and n.target_id = target and n.resolved
        and n.told_at > resolution_is_due.told_at and n.told_at < at and not n.voided @> at);
end;

comment on function resolution_is_due(bigint, integer, integer, timestamptz, timestamptz) is
  'Is a target that was told about this occurrence of an issue (at told_at), which is over, still to hear that: it did not come back, and nobody said so yet.';
--! EndIncluded decide/resolution_is_due.sql
--! Included decide/silenced.sql
-- Comparing every issue with every silence costs more than all the rest of a decision. What a silence names most narrowly is
-- enough to pass over nearly all issues; first_silence() looks at the others.
create or replace function silenced(during tstzrange)
returns table (clusters text[], organizations bigint[], rules text[], others boolean)
language sql stable parallel safe rows 1
-- with a SET clause it stays a function, which is called once; its query would be merged into that of decide() and run for every issue
set search_path = public, pg_temp
as $$
  select
    array_agg(s.cluster) filter (where s.cluster is not null),
    array_agg(s.org_id) filter (where s.cluster is null and s.org_id is not null),
    array_agg(s.rule_name) filter (where num_nonnulls(s.cluster, s.org_id) = 0 and s.rule_name is not null),
    bool_or(num_nonnulls(s.cluster, s.org_id, s.rule_name) = 0)
  from silence s
  where s.in_force && during;
$$;

comment on function silenced(tstzrange) is
  'What an issue must have one of to be held by a silence that is in force at some time of this range: one row; others: there are silences that name none of the three.';
--! EndIncluded decide/silenced.sql
--! Included decide/first_silence.sql
create or replace function first_silence(
  org_id bigint, cluster text, rule_name text, error_key text, tags text[], at timestamptz
) returns bigint
language sql stable parallel safe
begin atomic
  select min(s.id)
  from silence s
  where s.in_force @> at
    and silence_matches(s, first_silence.org_id, first_silence.cluster, first_silence.rule_name, first_silence.error_key, first_silence.tags);
end;

comment on function first_silence(bigint, text, text, text, text[], timestamptz) is
  'The oldest silence in force at this time that holds an issue with these properties (tags: of the rule''s content); null: none.';
--! EndIncluded decide/first_silence.sql
--! Included decide/first_acknowledgement.sql
create or replace function first_acknowledgement(
  org_id bigint, cluster text, rule_name text, error_key text, at timestamptz
) returns bigint
language sql stable parallel safe
begin atomic
  select min(a.id)
  from acknowledgement a
  where a.rule_name = first_acknowledgement.rule_name
    and case when first_acknowledgement.cluster is null
      then a.cluster is null and a.org_id = first_acknowledgement.org_id
      else a.cluster = first_acknowledgement.cluster and coalesce(a.org_id = first_acknowledgement.org_id, true) end
    and a.period @> at
    and coalesce(a.error_key = first_acknowledgement.error_key, true);
end;

comment on function first_acknowledgement(bigint, text, text, text, timestamptz) is
  'The oldest acknowledgement in force at this time of an organization (cluster null), or of one of its clusters, that holds this issue; null: none.';
--! EndIncluded decide/first_acknowledgement.sql
--! Included decide/tg_acknowledgement__rules.sql
create or replace function tg_acknowledgement__rules() returns trigger
language plpgsql volatile
set search_path = public, pg_temp
as $$
begin
  insert into acknowledged_rule (rule_name, org_id, cluster)
  select distinct a.rule_name, case when a.cluster is null then a.org_id end, a.cluster
  from added a
  order by 1, 2, 3
  on conflict do nothing;
  return null;
end $$;

comment on function tg_acknowledgement__rules() is
  'Trigger of acknowledgement: notes in acknowledged_rule whose issues decide() has to look it up for.';

create or replace trigger _100_rules after insert on acknowledgement
  referencing new table as added
  for each statement execute function tg_acknowledgement__rules();
--! EndIncluded decide/tg_acknowledgement__rules.sql
--! Included decide/supersede_tellings.sql
-- Nested loops by index: the planner cannot know how many issues come, and would read the whole ledger for a few. They also
-- keep the order of the issues, the same for everybody, so that two transactions do not wait for each other in a circle.
-- A replay (void from the beginning of time) is no telling: it supersedes nothing, and is never the last.
create or replace function supersede_tellings(issue_ids bigint[], targets integer[]) returns void
language sql volatile
set search_path = public, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
as $$
  update notified_issue n
  set superseded_at = s.told_again_at
  from (
    select t.notification_id, t.issue_id, t.superseded_at,
      lead(t.told_at, 1, 'infinity') over (partition by t.issue_id, t.target_id order by t.told_at, t.notification_id) as told_again_at
    from (select distinct i.issue_id, i.target_id from unnest(issue_ids, targets) i (issue_id, target_id)) changed
    join notified_issue t on t.issue_id = changed.issue_id and t.target_id = changed.target_id
      and not t.resolved and not lower_inf(t.voided)
    order by t.issue_id, t.target_id
  ) s
  where n.notification_id = s.notification_id and n.issue_id = s.issue_id
    and s.superseded_at <> s.told_again_at;
$$;

comment on function supersede_tellings(bigint[], integer[]) is
  'Notes for each telling of these issues to these targets (two arrays, position by position) when it was told again.';
--! EndIncluded decide/supersede_tellings.sql
--! Included decide/tg_notified_issue__superseded.sql
-- Whoever writes to the ledger: decide() finds the last telling by superseded_at.
create or replace function tg_notified_issue__superseded() returns trigger
language plpgsql volatile
set search_path = public, pg_temp
as $$
begin
  if tg_level = 'ROW' then
    perform supersede_tellings(array[new.issue_id], array[new.target_id]);
  else
    perform supersede_tellings(array_agg(c.issue_id), array_agg(c.target_id)) from changed c where not c.resolved;
  end if;
  return null;
end $$;

comment on function tg_notified_issue__superseded() is
  'Trigger of notified_issue: keeps superseded_at, the time at which an issue was told to the same target again.';

create or replace trigger _100_superseded after insert on notified_issue
  referencing new table as changed
  for each statement execute function tg_notified_issue__superseded();
create or replace trigger _110_superseded after delete on notified_issue
  referencing old table as changed
  for each statement execute function tg_notified_issue__superseded();
create or replace trigger _120_superseded after update of told_at on notified_issue
  for each row execute function tg_notified_issue__superseded();
--! EndIncluded decide/tg_notified_issue__superseded.sql
--! Included decide/decide.sql
-- The only place that says notify or hold. The live path, the views, the past and every simulation call it.
--
-- Reports and ledger count as they were known at `at`: the ledger strictly before it, so that decide(…, at) answers as the
-- decision taken at that time did. What people set (policies, content, silences, acknowledgements) counts as it stood at
-- settings_at, which is `at` unless somebody compares (explain_diff).
--
-- One `language sql` query without a SET clause, so that the planner takes it apart: `where cluster = …` on a view
-- above it reaches the index of issue, and a fleet gets hash joins by several workers. (With `set search_path` it would be a
-- black box that computes every cluster first; `begin atomic` binds names when it is created, which is as safe.) Workers take no
-- part in what is looked up row by row by subqueries or `limit`: so what everybody has is joined, and what few have is behind
-- `case`, in functions of their own.
create or replace function decide(
  target integer, at timestamptz, clusters text[] default null, settings_at timestamptz default null
) returns setof decision
language sql stable parallel safe
begin atomic
  select
    x.target_id,
    x.org_id,
    x.cluster,
    x.issue_id,
    x.component,
    x.error_key,
    x.occurrence,
    h.issue_state,
    x.first_seen,
    -- the cluster's newest report that had arrived by then and could be read
    case when x.received_at <= at then x.updated_at else newest_report_at(x.org_id, x.cluster, at) end,
    x.total_risk,
    case when cardinality(h.reasons) = 0 then 'notify' else 'hold' end,
    h.reasons,
    h.qualifies,
    x.last_told_at,
    h.next_eligible_at,
    x.policy_id,
    x.content_id,
    x.silence_id,
    coalesce(x.acked_by, x.disabled_by),
    x.render_error
  from (
    select v.*, o.occurrence, coalesce(o.known_until > at, true) as is_open, l.received_at, l.updated_at,
      case when told.voided @> at then last_telling(v.issue_id, v.target_id, at) else told.told_at end as last_told_at,
      case when v.spacing > interval '0' then last_message(v.org_id, v.cluster, v.target_id, at) end as message_at,
      case when o.occurrence >= v.flapping_occurrences
        then flapping_until(v.issue_id, o.occurrence, v.flapping_occurrences, v.flapping_window) end as flapping_until,
      upper(unrendered.held_period) as unrendered_until,
      unrendered.error as render_error,
      case when v.cluster = any (silenced.clusters) or v.org_id = any (silenced.organizations)
          or v.rule_name = any (silenced.rules) or silenced.others
        then first_silence(v.org_id, v.cluster, v.rule_name, v.error_key, v.tags, coalesce(settings_at, at)) end as silence_id,
      case when org_acked.rule_name is not null
        then first_acknowledgement(v.org_id, null, v.rule_name, v.error_key, coalesce(settings_at, at)) end as acked_by,
      case when cluster_acked.rule_name is not null
        then first_acknowledgement(v.org_id, v.cluster, v.rule_name, v.error_key, coalesce(settings_at, at)) end as disabled_by
    from verdict(target, coalesce(settings_at, at), clusters) v
    join occurrence o on o.issue_id = v.issue_id
    left join latest_report l
      on l.org_id = v.org_id and l.cluster = v.cluster and (decide.clusters is null or l.cluster = any (decide.clusters))
    -- the last telling before `at`
    left join notified_issue told
      on told.issue_id = v.issue_id and told.target_id = v.target_id and not told.resolved
      and told.told_at < at and told.superseded_at >= at
    left join render_failure unrendered
      on unrendered.issue_id = v.issue_id and unrendered.target_id = v.target_id
      and unrendered.content_id = v.content_id and unrendered.occurrence = o.occurrence and unrendered.held_period @> at
    left join acknowledged_rule org_acked on org_acked.rule_name = v.rule_name and org_acked.org_id = v.org_id
    left join acknowledged_rule cluster_acked on cluster_acked.rule_name = v.rule_name and cluster_acked.cluster = v.cluster
    cross join silenced(tstzrange(coalesce(settings_at, at), coalesce(settings_at, at), '[]'))
    where o.known_from <= at
      -- open then, or gone since the policy tells what is gone
      and coalesce(o.known_until > least(at, v.tell_resolved_since), true)
  ) x
  cross join lateral hold_reasons(
    at, x.reasons, x.cooldown, x.spacing, x.allowed_clusters, x.blocked_clusters, x.flapping_action, x.cluster,
    x.occurrence, x.is_open, x.last_told_at, x.message_at, x.flapping_until, x.unrendered_until, x.silence_id, x.acked_by,
    x.disabled_by) h
  where x.is_open
    or x.last_told_at is not null and resolution_is_due(x.issue_id, x.occurrence, x.target_id, x.last_told_at, at);
end;

comment on function decide(integer, timestamptz, text[], timestamptz) is
  'Notify or hold, with every reason, for this target (null: each of them) at this time, past or present: one row for each open issue (clusters: only these), and for each that went and is to be told as resolved. Reads only; same inputs, same answer.';
--! EndIncluded decide/decide.sql
--! Included decide/take_decision_request.sql
-- A request may concern a million clusters: so many at a time, in the order of their names, and only while few wait, so that
-- reports that come in are not kept waiting behind it.
create or replace function take_decision_request(batch_size integer, at timestamptz) returns integer
language plpgsql volatile
set search_path = public, pg_temp
as $$
declare
  request decision_request;
  silence silence;
  asked integer;
  last_cluster text;
begin
  if batch_size <= (select count(*) from (select from decision_due limit batch_size) waiting) then
    return 0;
  end if;
  loop
    select r.* into request
    from decision_request r
    where r.due_at <= take_decision_request.at
    order by r.due_at, r.id
    limit 1
    for update skip locked;
    if not found then
      return 0;
    end if;
    select s.* into silence from silence s where s.id = request.silence_id;

    -- `execute` plans with the scope at hand. Cluster by cluster along the primary key, until there are enough: joined as a
    -- whole, all issues were read and sorted for each batch.
    execute $query$
      with concerned as (
        select l.org_id, l.cluster
        from latest_report l
        cross join lateral (
          select
          from issue i
          join rule r on r.id = i.rule_id
          left join rule_content c
            on $6 is not null and c.rule_name = r.rule_name and c.error_key = r.error_key and c.validity @> $1
          where i.org_id = l.org_id and i.cluster = l.cluster
            and (i.closed_at is null or i.closed_at > l.updated_at - interval '1 day')
            and ($3 is null or r.rule_name = any ($3))
            and ($6 is null or silence_matches($7, i.org_id, i.cluster, r.rule_name, r.error_key, c.tags))
          limit 1
        ) hit
        where l.cluster > $2
          and is_recent(l.updated_at, $1)
          and ($4 is null or l.org_id = $4)
          and ($5 is null or l.cluster = $5)
        order by l.cluster
        fetch first $8 rows with ties
      ), added as (
        insert into decision_due (org_id, cluster)
        select c.org_id, c.cluster
        from concerned c
        order by c.org_id, c.cluster
        on conflict (org_id, cluster) do update set due_at = decision_due.due_at
      )
      select count(*), max(c.cluster) from concerned c
    $query$
    into asked, last_cluster
    using at, request.after_cluster,
      coalesce(request.rule_names, case when silence.rule_name is not null then array[silence.rule_name] end),
      coalesce(request.org_id, silence.org_id), coalesce(request.cluster, silence.cluster),
      request.silence_id, silence, batch_size;

    if asked < batch_size then
      delete from decision_request r where r.id = request.id;
    else
      update decision_request r set after_cluster = last_cluster where r.id = request.id;
    end if;
    -- one that concerns nobody is over, and must not stand before the next; of two that do, the second waits for its own
    -- transaction: their clusters together would be locked out of order
    exit when asked > 0;
  end loop;
  return asked;
end $$;

comment on function take_decision_request(integer, timestamptz) is
  'Puts the next clusters that a request concerns (those that reported within a day) into decision_due, unless batch_size wait there already; returns how many.';
--! EndIncluded decide/take_decision_request.sql
--! Included decide/told_issue.sql
-- A type, so that decide_due() can hold what is to be told in a variable.
do $$
begin
  if to_regtype('told_issue') is null then
    create type told_issue as (
      target_id integer,
      org_id bigint,
      cluster text collate "C",
      issue_id bigint,
      occurrence integer,
      content_id bigint,
      policy_id bigint,
      last_seen timestamptz,
      total_risk smallint,
      resolved boolean
    );
  end if;
end $$;

comment on type told_issue is 'what decide_due() needs of an issue that is to be told';
comment on column told_issue.target_id is 'the target';
comment on column told_issue.org_id is 'organization that owns the cluster';
comment on column told_issue.cluster is 'the cluster';
comment on column told_issue.issue_id is 'the issue';
comment on column told_issue.occurrence is 'which of its occurrences';
comment on column told_issue.content_id is 'content version that decided';
comment on column told_issue.policy_id is 'policy version that decided';
comment on column told_issue.last_seen is 'time of the newest report that has it';
comment on column told_issue.total_risk is 'total risk of the rule';
comment on column told_issue.resolved is 'it is told as gone';
--! EndIncluded decide/told_issue.sql
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

  -- The last statement, since the job's row stays locked until we commit.
  for target in
    select distinct t.name
    from unnest(told_issues) i
    join event_targets t on t.id = i.target_id
  loop
    perform wake_delivery(target);
  end loop;
  return next;
end $$;

comment on function decide_due(integer, timestamptz) is
  'Decides for up to batch_size waiting clusters and commits ledger, outbox, reported and the wake-up job together. Returns how many clusters were taken, messages queued, issues told and issues held.';
--! EndIncluded decide/decide_due.sql
--! Included decide/silence_hits.sql
create or replace function silence_hits(silence silence, at timestamptz)
returns table (org_id bigint, cluster text, component text, error_key text, first_seen timestamptz)
language sql stable
set search_path = public, pg_temp
as $$
  select i.org_id, i.cluster, r.component, r.error_key, i.first_seen
  from issue i
  join rule r on r.id = i.rule_id
  left join rule_content c
    on c.rule_name = r.rule_name and c.error_key = r.error_key and c.validity @> at
  where i.closed_at is null
    and silence_matches(silence, i.org_id, i.cluster, r.rule_name, r.error_key, c.tags);
$$;

comment on function silence_hits(silence, timestamptz) is 'The open issues that a silence holds.';
--! EndIncluded decide/silence_hits.sql
--! Included decide/preview_silence.sql
create or replace function preview_silence(
  org_id bigint default null,
  cluster text default null,
  rule text default null,
  error_key text default null,
  tag text default null,
  at timestamptz default now()
) returns table (org_id bigint, cluster text, component text, error_key text, first_seen timestamptz)
language sql stable
set search_path = public, pg_temp
as $$
  select h.*
  from (
    select jsonb_populate_record(null::silence, jsonb_build_object(
      'org_id', preview_silence.org_id,
      'cluster', lower(preview_silence.cluster),
      'rule_name', rule_name(preview_silence.rule),
      'error_key', coalesce(preview_silence.error_key, nullif(split_part(preview_silence.rule, '|', 2), '')),
      'tag', preview_silence.tag)) as silence
  ) draft
  cross join lateral silence_hits(draft.silence, preview_silence.at) h;
$$;

comment on function preview_silence(bigint, text, text, text, text, timestamptz) is
  'The open issues that such a silence would hold.';
--! EndIncluded decide/preview_silence.sql
--! Included decide/add_silence.sql
create or replace function add_silence(
  ends_at timestamptz,
  reason text,
  org_id bigint default null,
  cluster text default null,
  rule text default null,
  error_key text default null,
  tag text default null,
  starts_at timestamptz default null,
  everything boolean default false,
  at timestamptz default now()
) returns silence
language plpgsql volatile
set search_path = public, pg_temp
as $$
declare
  added silence;
begin
  if ends_at is null or ends_at = 'infinity' then
    raise exception 'a silence needs an end' using errcode = 'invalid_parameter_value';
  end if;
  if ends_at <= coalesce(starts_at, add_silence.at) or ends_at <= add_silence.at then
    raise exception 'a silence that ends at % would never hold', ends_at using errcode = 'invalid_parameter_value';
  end if;
  if length(btrim(coalesce(add_silence.reason, ''))) < 5 then
    raise exception 'a silence needs a reason that a colleague understands' using errcode = 'invalid_parameter_value';
  end if;
  if num_nonnulls(org_id, cluster, rule, error_key, tag) = 0 and not everything then
    raise exception 'this silence would hold every notification; say so with everything => true'
      using errcode = 'invalid_parameter_value';
  end if;
  if num_nonnulls(org_id, cluster, rule, error_key, tag) > 0 and everything then
    raise exception 'a silence of everything cannot be narrowed at the same time'
      using errcode = 'invalid_parameter_value';
  end if;
  if '' = any (array[cluster, rule_name(rule), error_key, tag]) then
    raise exception 'a silence cannot be of an empty name' using errcode = 'invalid_parameter_value';
  end if;
  insert into silence (org_id, cluster, rule_name, error_key, tag, everything, period, reason, created_at)
  values (add_silence.org_id, lower(add_silence.cluster), rule_name(add_silence.rule),
    coalesce(add_silence.error_key, nullif(split_part(add_silence.rule, '|', 2), '')), add_silence.tag, everything,
    tstzrange(coalesce(starts_at, add_silence.at), ends_at), add_silence.reason, add_silence.at)
  returning * into added;
  return added;
exception
  when exclusion_violation then
    raise exception 'there is a silence of the same already in that time; end it first or choose another time'
      using errcode = 'invalid_parameter_value';
end $$;

comment on function add_silence(timestamptz, text, bigint, text, text, text, text, timestamptz, boolean, timestamptz) is
  'Holds notifications until ends_at: those of an organization, a cluster, a rule (any spelling), an error key, a tag, or a combination; everything => true for all. Preview it with preview_silence().';
--! EndIncluded decide/add_silence.sql
--! Included decide/end_silence.sql
create or replace function end_silence(id bigint, at timestamptz default now()) returns silence
language plpgsql volatile
set search_path = public, pg_temp
as $$
declare
  ended silence;
begin
  update silence s
  set ended_at = end_silence.at, ended_by = session_user
  where s.id = end_silence.id and s.ended_at is null and upper(s.period) > end_silence.at
  returning s.* into ended;
  if not found then
    raise exception 'there is no silence % that is still to come or in force', end_silence.id
      using errcode = 'invalid_parameter_value';
  end if;
  perform request_decisions('silence ended', silence_id => ended.id, at => end_silence.at);
  return ended;
end $$;

comment on function end_silence(bigint, timestamptz) is
  'Ends a silence early; what it held is asked again. It stays on record.';
--! EndIncluded decide/end_silence.sql
--! Included decide/silences.sql
create or replace view silences with (security_invoker = true) as
select
  s.id,
  case
    when upper(s.period) <= now() or s.ended_at <= now() then 'expired'
    when lower(s.period) > now() then 'pending'
    else 'active'
  end as state,
  lower(s.period) as starts_at,
  least(upper(s.period), s.ended_at) as ends_at,
  s.org_id,
  s.cluster,
  s.rule_name,
  s.error_key,
  s.tag,
  s.everything,
  s.reason,
  s.created_by,
  s.created_at,
  s.ended_by
from silence s;

comment on view silences is 'Who asked not to be told, of what, why, and whether that is pending, active or expired.';
comment on column silences.id is 'number of the silence';
comment on column silences.state is 'pending, active or expired';
comment on column silences.starts_at is 'from when';
comment on column silences.ends_at is 'until when, or when it was ended early';
comment on column silences.org_id is 'only for this organization; null: any';
comment on column silences.cluster is 'only for this cluster; null: any';
comment on column silences.rule_name is 'only for this rule; null: any';
comment on column silences.error_key is 'only for this error key; null: any';
comment on column silences.tag is 'only for rules with this tag; null: any';
comment on column silences.everything is 'holds every notification';
comment on column silences.reason is 'why';
comment on column silences.created_by is 'database user who asked';
comment on column silences.created_at is 'when';
comment on column silences.ended_by is 'database user who ended it early';
--! EndIncluded decide/silences.sql
--! Included decide/acknowledge.sql
create or replace function acknowledge(
  org_id bigint, rule text, cluster text default null, error_key text default null, justification text default null
) returns boolean
language plpgsql volatile
set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
  key text := coalesce(acknowledge.error_key, split_part(acknowledge.rule, '|', 2));
  module text := split_part(acknowledge.rule, '|', 1);
begin
  if acknowledge.org_id is null or coalesce(rule_name(acknowledge.rule), '') = '' then
    raise exception 'an acknowledgement needs an organization and a rule' using errcode = 'invalid_parameter_value';
  end if;
  if acknowledge.cluster is not null and acknowledge.justification is not null then
    raise exception 'an acknowledgement for one cluster has no place for a justification' using errcode = 'invalid_parameter_value';
  end if;
  if acknowledge.cluster is null then
    -- somebody may have spelled the rule another way
    if exists (
      select from rule_disable d
      where d.org_id = acknowledge.org_id::text
        and rule_name(d.rule_id) = rule_name(acknowledge.rule)
        and coalesce(nullif(d.error_key, ''), split_part(d.rule_id, '|', 2)) = key)
    then
      return false;
    end if;
    insert into rule_disable (org_id, rule_id, error_key, justification)
    values (acknowledge.org_id::text, module, key, acknowledge.justification)
    on conflict do nothing;
  else
    if exists (
      select from cluster_rule_toggle t
      where lower(t.cluster_id) = lower(acknowledge.cluster)
        and t.org_id in ('0', acknowledge.org_id::text)
        and rule_name(t.rule_id) = rule_name(acknowledge.rule)
        and coalesce(nullif(t.error_key, ''), split_part(t.rule_id, '|', 2)) = key
        and t.disabled = 1)
    then
      return false;
    end if;
    insert into cluster_rule_toggle (cluster_id, rule_id, error_key, org_id, disabled, disabled_at, updated_at)
    values (lower(acknowledge.cluster), module, key, acknowledge.org_id::text, 1, now(), now())
    on conflict (cluster_id, rule_id, error_key) do update
    set org_id = excluded.org_id, disabled = 1, disabled_at = excluded.disabled_at, updated_at = excluded.updated_at;
  end if;
  return found;
end $$;

comment on function acknowledge(bigint, text, text, text, text) is
  'Stops telling an organization, or one of its clusters, about a rule (any spelling); false when it was so already.';
--! EndIncluded decide/acknowledge.sql
--! Included decide/unacknowledge.sql
create or replace function unacknowledge(
  org_id bigint, rule text, cluster text default null, error_key text default null
) returns boolean
language plpgsql volatile
set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
  key text := coalesce(unacknowledge.error_key, split_part(unacknowledge.rule, '|', 2));
begin
  if unacknowledge.cluster is null then
    delete from rule_disable d
    where d.org_id = unacknowledge.org_id::text
      and rule_name(d.rule_id) = rule_name(unacknowledge.rule)
      and coalesce(nullif(d.error_key, ''), split_part(d.rule_id, '|', 2)) = key;
  else
    update cluster_rule_toggle t
    set disabled = 0, enabled_at = now(), updated_at = now()
    where lower(t.cluster_id) = lower(unacknowledge.cluster)
      and t.org_id in ('0', unacknowledge.org_id::text)
      and rule_name(t.rule_id) = rule_name(unacknowledge.rule)
      and coalesce(nullif(t.error_key, ''), split_part(t.rule_id, '|', 2)) = key
      and t.disabled = 1;
  end if;
  return found;
end $$;

comment on function unacknowledge(bigint, text, text, text) is
  'Takes an acknowledgement back; what it held is asked again. False when there was none.';
--! EndIncluded decide/unacknowledge.sql
--! Included decide/tg_rule_disable__acknowledgement.sql
-- The aggregator's table holds only what is in force; the history that decide() reads is kept here.
create or replace function tg_rule_disable__acknowledgement() returns trigger
language plpgsql volatile
set search_path = public, pg_temp
as $$
declare
  changed_at timestamptz := now();
  free_from timestamptz;
begin
  if tg_op <> 'INSERT' then
    update acknowledgement a
    set period = tstzrange(lower(a.period), greatest(changed_at, lower(a.period)))
    where a.source = 'rule_disable'
      and a.source_key = concat_ws(' ', old.org_id, old.rule_id, old.error_key)
      and upper_inf(a.period);
    perform request_decisions('acknowledgement ended', array[rule_name(old.rule_id)], old.org_id::bigint, at => changed_at);
  end if;
  if tg_op <> 'DELETE' then
    -- a row that comes back with its old time, as when the table is copied anew, goes on where it ended
    select max(upper(a.period)) into free_from
    from acknowledgement a
    where a.source = 'rule_disable'
      and a.source_key = concat_ws(' ', new.org_id, new.rule_id, new.error_key);
    insert into acknowledgement (org_id, rule_name, error_key, period, source, source_key)
    values (new.org_id::bigint, rule_name(new.rule_id),
      coalesce(nullif(new.error_key, ''), nullif(split_part(new.rule_id, '|', 2), '')),
      tstzrange(greatest(case tg_op when 'INSERT' then new.created_at else changed_at end, free_from), null),
      'rule_disable', concat_ws(' ', new.org_id, new.rule_id, new.error_key));
  end if;
  return null;
end $$;

comment on function tg_rule_disable__acknowledgement() is
  'Trigger of rule_disable: keeps its history in acknowledgement; what is no longer disabled is asked again.';

create or replace trigger _100_acknowledgement after insert or delete or update of org_id, rule_id, error_key on rule_disable
  for each row execute function tg_rule_disable__acknowledgement();
--! EndIncluded decide/tg_rule_disable__acknowledgement.sql
--! Included decide/tg_cluster_rule_toggle__acknowledgement.sql
-- A row stays when the rule is switched on again, so an update may begin an acknowledgement, end one, both (the row is now
-- that of another rule) or neither.
create or replace function tg_cluster_rule_toggle__acknowledgement() returns trigger
language plpgsql volatile
set search_path = public, pg_temp
as $$
declare
  was_off boolean := tg_op <> 'INSERT' and old.disabled = 1;
  is_off boolean := tg_op <> 'DELETE' and new.disabled = 1;
  is_another boolean := tg_op = 'UPDATE'
    and (old.cluster_id, old.rule_id, old.error_key, old.org_id) <> (new.cluster_id, new.rule_id, new.error_key, new.org_id);
  changed_at timestamptz := now();
  free_from timestamptz;
begin
  if was_off and (is_another or not is_off) then
    if tg_op = 'UPDATE' and not is_off then
      changed_at := coalesce(new.enabled_at, changed_at);
    end if;
    update acknowledgement a
    set period = tstzrange(lower(a.period), greatest(changed_at, lower(a.period)))
    where a.source = 'cluster_rule_toggle'
      and a.source_key = concat_ws(' ', old.cluster_id, old.rule_id, old.error_key)
      and upper_inf(a.period);
    perform request_decisions('acknowledgement ended', array[rule_name(old.rule_id)], cluster => lower(old.cluster_id), at => changed_at);
  end if;
  if is_off and (is_another or not was_off) then
    -- a row that comes back with its old time, as when the table is copied anew, goes on where it ended
    select max(upper(a.period)) into free_from
    from acknowledgement a
    where a.source = 'cluster_rule_toggle'
      and a.source_key = concat_ws(' ', new.cluster_id, new.rule_id, new.error_key);
    insert into acknowledgement (org_id, cluster, rule_name, error_key, period, source, source_key)
    values (nullif(new.org_id, '0')::bigint, lower(new.cluster_id), rule_name(new.rule_id),
      coalesce(nullif(new.error_key, ''), nullif(split_part(new.rule_id, '|', 2), '')),
      tstzrange(greatest(case when was_off then changed_at else coalesce(new.disabled_at, changed_at) end, free_from), null),
      'cluster_rule_toggle', concat_ws(' ', new.cluster_id, new.rule_id, new.error_key));
  end if;
  return null;
end $$;

comment on function tg_cluster_rule_toggle__acknowledgement() is
  'Trigger of cluster_rule_toggle: keeps its history in acknowledgement; what is switched on again is asked again.';

create or replace trigger _100_acknowledgement after insert or delete or update on cluster_rule_toggle
  for each row execute function tg_cluster_rule_toggle__acknowledgement();
--! EndIncluded decide/tg_cluster_rule_toggle__acknowledgement.sql
--! Included decide/explanation.sql
-- The row of explain_at() and of the views above it. A type, since the columns of `returns table` cannot have a collation: without
-- it a question about one cluster would not reach the index.
do $$
begin
  if to_regtype('explanation') is null then
    create type explanation as (
      target text,
      org_id bigint,
      cluster text collate "C",
      component text,
      error_key text,
      decision text,
      reasons text[],
      total_risk smallint,
      last_told_at timestamptz,
      next_eligible_at timestamptz,
      occurrence integer,
      issue_state text,
      first_seen timestamptz,
      last_seen timestamptz,
      issue_id bigint,
      policy_id bigint,
      content_id bigint,
      silence_id bigint,
      acknowledgement_id bigint,
      render_error text
    );
  end if;
end $$;

comment on type explanation is 'a decision with the name of its target: what explain_notification shows';
comment on column explanation.target is 'the target';
comment on column explanation.org_id is 'organization that owns the cluster';
comment on column explanation.cluster is 'the cluster';
comment on column explanation.component is 'the rule, as reports spell it';
comment on column explanation.error_key is 'which of the rule''s problems';
comment on column explanation.decision is 'notify or hold';
comment on column explanation.reasons is 'every reason that holds it: target_disabled, policy_disabled, no_content, inactive, below_threshold, filtered, missing_tag, render_failed, cluster_not_allowed, cluster_blocked, silenced, acked, disabled, cooldown, spacing, flapping';
comment on column explanation.total_risk is '1 low to 4 critical; null without content';
comment on column explanation.last_told_at is 'when it was last told to this target';
comment on column explanation.next_eligible_at is 'when cooldown, spacing, damping and the wait after a failed rendering have ended';
comment on column explanation.occurrence is '1 = new, more = gone and back';
comment on column explanation.issue_state is 'new, regressed (gone and back), flapping, or resolved (gone)';
comment on column explanation.first_seen is 'time of the first report that had it';
comment on column explanation.last_seen is 'time of the newest report that has it';
comment on column explanation.issue_id is 'the issue';
comment on column explanation.policy_id is 'policy version that decided';
comment on column explanation.content_id is 'content version that decided';
comment on column explanation.silence_id is 'the silence that holds it';
comment on column explanation.acknowledgement_id is 'the acknowledgement that holds it';
comment on column explanation.render_error is 'why its texts could not be rendered';
--! EndIncluded decide/explanation.sql
--! Included decide/explain_at.sql
-- What the views show of now, for any time: reports and deliveries as they were known then.
create or replace function explain_at(
  at timestamptz, target text default null, cluster text default null, settings_at timestamptz default null
) returns setof explanation
language sql stable parallel safe
begin atomic
  select
    t.name,
    d.org_id,
    d.cluster,
    d.component,
    d.error_key,
    d.decision,
    d.reasons,
    d.total_risk,
    d.last_told_at,
    d.next_eligible_at,
    d.occurrence,
    d.issue_state,
    d.first_seen,
    d.last_seen,
    d.issue_id,
    d.policy_id,
    d.content_id,
    d.silence_id,
    d.acknowledgement_id,
    d.render_error
  from decide(
    case when explain_at.target is not null then target_id(explain_at.target) end, at,
    case when explain_at.cluster is not null then array[explain_at.cluster, lower(explain_at.cluster)] end, settings_at) d
  -- there always is one; a plain join would have the planner expect few rows
  left join event_targets t on t.id = d.target_id;
end;

comment on function explain_at(timestamptz, text, text, timestamptz) is
  'explain_notification as it was at this time, for one target and one cluster or (null) for all; what people set counts as it stood at settings_at (null: at the same time).';
--! EndIncluded decide/explain_at.sql
--! Included decide/explain_notification.sql
create or replace view explain_notification with (security_invoker = true) as
select * from explain_at(now());

comment on view explain_notification is 'Why is (or is not) somebody told: one row for each open issue (or gone one that is to be told as resolved) and target, with every reason that holds it.';
comment on column explain_notification.target is 'the target';
comment on column explain_notification.org_id is 'organization that owns the cluster';
comment on column explain_notification.cluster is 'the cluster';
comment on column explain_notification.component is 'the rule, as reports spell it';
comment on column explain_notification.error_key is 'which of the rule''s problems';
comment on column explain_notification.decision is 'notify or hold';
comment on column explain_notification.reasons is 'every reason that holds it: target_disabled, policy_disabled, no_content, inactive, below_threshold, filtered, missing_tag, render_failed, cluster_not_allowed, cluster_blocked, silenced, acked, disabled, cooldown, spacing, flapping';
comment on column explain_notification.total_risk is '1 low to 4 critical; null without content';
comment on column explain_notification.last_told_at is 'when it was last told to this target';
comment on column explain_notification.next_eligible_at is 'when cooldown, spacing, damping and the wait after a failed rendering have ended';
comment on column explain_notification.occurrence is '1 = new, more = gone and back';
comment on column explain_notification.issue_state is 'new, regressed (gone and back), flapping, or resolved (gone)';
comment on column explain_notification.first_seen is 'time of the first report that had it';
comment on column explain_notification.last_seen is 'time of the newest report that has it';
comment on column explain_notification.issue_id is 'the issue';
comment on column explain_notification.policy_id is 'policy version that decided';
comment on column explain_notification.content_id is 'content version that decided';
comment on column explain_notification.silence_id is 'the silence that holds it';
comment on column explain_notification.acknowledgement_id is 'the acknowledgement that holds it';
comment on column explain_notification.render_error is 'why its texts could not be rendered';
--! EndIncluded decide/explain_notification.sql
--! Included decide/new_issues_at.sql
create or replace function new_issues_at(at timestamptz, target text default null) returns setof explanation
language sql stable parallel safe
begin atomic
  select e.*
  from explain_at(at, new_issues_at.target) e
  where e.decision = 'notify';
end;

comment on function new_issues_at(timestamptz, text) is
  'What a decision at this time would have told, or did tell: with what was known then.';
--! EndIncluded decide/new_issues_at.sql
--! Included decide/new_issues.sql
create or replace view new_issues with (security_invoker = true) as
select target, org_id, cluster, component, error_key, total_risk, occurrence, issue_state, first_seen, last_seen, last_told_at,
  issue_id
from new_issues_at(now());

comment on view new_issues is 'What would be told if the decision were made now: the open issues that nothing holds back, per target.';
comment on column new_issues.target is 'the target';
comment on column new_issues.org_id is 'organization that owns the cluster';
comment on column new_issues.cluster is 'the cluster';
comment on column new_issues.component is 'the rule, as reports spell it';
comment on column new_issues.error_key is 'which of the rule''s problems';
comment on column new_issues.total_risk is '1 low to 4 critical';
comment on column new_issues.occurrence is '1 = new, more = gone and back';
comment on column new_issues.issue_state is 'new, regressed (gone and back), flapping, or resolved (gone)';
comment on column new_issues.first_seen is 'time of the first report that had it';
comment on column new_issues.last_seen is 'time of the newest report that has it';
comment on column new_issues.last_told_at is 'when it was last told to this target';
comment on column new_issues.issue_id is 'the issue';
--! EndIncluded decide/new_issues.sql
--! Included decide/explain_diff.sql
-- For a transaction that is rolled back: change a policy, add a silence, load content, and see what it would do. Everything
-- people set is versioned, so "before" is the same decision by what stood a moment before the transaction began.
create or replace view explain_diff with (security_invoker = true) as
select
  target,
  org_id,
  cluster,
  coalesce(present.component, past.component) as component,
  coalesce(present.error_key, past.error_key) as error_key,
  past.decision as decision_before,
  present.decision,
  past.reasons as reasons_before,
  present.reasons,
  past.next_eligible_at as next_eligible_at_before,
  present.next_eligible_at,
  past.policy_id as policy_id_before,
  present.policy_id,
  issue_id
from explain_at(now(), settings_at => now() - interval '1 microsecond') past
full join explain_at(now()) present using (target, org_id, cluster, issue_id)
where (past.decision, past.reasons, past.next_eligible_at)
  is distinct from (present.decision, present.reasons, present.next_eligible_at);

comment on view explain_diff is 'What the open transaction would change: decisions that differ from those by the policies, content, silences and acknowledgements that stood before it. Empty unless this transaction changed something; roll back to only try.';
comment on column explain_diff.target is 'the target';
comment on column explain_diff.org_id is 'organization that owns the cluster';
comment on column explain_diff.cluster is 'the cluster';
comment on column explain_diff.component is 'the rule, as reports spell it';
comment on column explain_diff.error_key is 'which of the rule''s problems';
comment on column explain_diff.decision_before is 'notify or hold, before; null: there was no decision to take';
comment on column explain_diff.decision is 'notify or hold, with the change; null: no decision to take any more';
comment on column explain_diff.reasons_before is 'every reason that held it';
comment on column explain_diff.reasons is 'every reason that would hold it';
comment on column explain_diff.next_eligible_at_before is 'when cooldown, spacing and damping would have ended';
comment on column explain_diff.next_eligible_at is 'when they would end with the change';
comment on column explain_diff.policy_id_before is 'policy version that decided';
comment on column explain_diff.policy_id is 'policy version that would decide';
comment on column explain_diff.issue_id is 'the issue';
--! EndIncluded decide/explain_diff.sql
--! Included decide/explain_report.sql
-- One stored report: what became of each of its hits. A report that a newer one overtook before it was decided on was never
-- decided on (superseded); the newer one was. There is nothing to record of one without hits, or for a target that is switched
-- off: then the decision shown is that of now.
create or replace function explain_report(
  org_id bigint, cluster text, updated_at timestamptz, at timestamptz default now()
)
returns table (
  report_state text, target text, component text, error_key text, decided_at timestamptz, decision text, reasons text[],
  issue_state text, last_told_at timestamptz, next_eligible_at timestamptz, policy_id bigint, content_id bigint,
  silence_id bigint, acknowledgement_id bigint
)
language sql stable
set search_path = public, pg_temp
as $$
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
  left join lateral decide(j.target_id, coalesce(j.decided_at, explain_report.at), array[j.cluster]) d
    on j.report_state in ('decided', 'waiting', 'nothing to record')
    and d.org_id = j.org_id and d.component = h.component and d.error_key = h.error_key
  order by j.target_id, h.component, h.error_key;
$$;

comment on function explain_report(bigint, text, timestamptz, timestamptz) is
  'What became of one stored report, for each target and hit: report_state (decided, waiting, superseded by a newer report, unreadable, nothing to record) and the decision as it was taken, or as it would be now.';
--! EndIncluded decide/explain_report.sql
--! Included decide/backtest_tells.sql
-- What would have been told between two times, replayed one decision after another for every cluster: each step goes to the
-- next moment at which an issue of the cluster may be told, and asks verdict() and hold_reasons(), as decide() does, with the
-- replayed ledger in place of the real one.
--
-- A cluster's moments are those at which it really was decided on (reported, notification); where a wait ends, the sweep asks
-- two minutes later at the latest, if the cluster reported within a day; where an issue appeared and nothing was decided
-- within an hour (no target was switched on), the moment it appeared. Deliveries are taken to succeed. Issues that went are
-- not replayed as resolved.
create or replace function backtest_tells(
  target integer, from_time timestamptz, to_time timestamptz, change jsonb default null
) returns table (org_id bigint, cluster text, issue_id bigint, told_at timestamptz, policy_id bigint, max_events integer)
language sql stable
set search_path = public, pg_temp
-- whole tables are joined here, with times that differ from row to row: the planner expects a row of each and would compare
-- all with all (minutes instead of seconds)
set enable_nestloop = off
set work_mem = '64MB'
set jit = off
as $$
  with recursive era as materialized (
    -- times from which neither policies nor content changed until the next
    select e.starts_at
    from (
      select from_time as starts_at
      union
      select lower(p.validity) from policy p where p.target_id = backtest_tells.target
      union
      select upper(p.validity) from policy p where p.target_id = backtest_tells.target
      union
      select lower(c.validity) from rule_content c
      union
      select upper(c.validity) from rule_content c
    ) e
    where e.starts_at >= from_time and e.starts_at < to_time
  ), verdicts as materialized (
    -- for each issue, one row for as long as it is judged the same
    select v.*, lead(v.starts_at, 1, 'infinity') over (partition by v.issue_id order by v.starts_at) as ends_at
    from (
      select e.starts_at, v.*,
        row(v.policy_id, v.content_id, v.reasons) is distinct from
          lag(row(v.policy_id, v.content_id, v.reasons)) over (partition by v.issue_id order by e.starts_at) as differs
      from era e
      cross join lateral (
        select * from verdict(backtest_tells.target, e.starts_at) where change is null
        union all
        select * from changed_verdict(backtest_tells.target, e.starts_at, change) where change is not null
      ) v
    ) v
    where v.differs
  ), run as (
    select i.id as issue_id, i.org_id, i.cluster, from_time - interval '1 microsecond' as at,
      case when told.voided @> from_time then last_telling(i.id, backtest_tells.target, from_time) else told.told_at end as told_at,
      case when spaced.is_needed then last_message(i.org_id, i.cluster, backtest_tells.target, from_time) end as message_at,
      from_time as may_be_told_at, false as is_told, null::bigint as policy_id, null::integer as max_events
    from issue i
    cross join (select bool_or(v.spacing > interval '0') as is_needed from verdicts v) spaced
    left join notified_issue told
      on told.issue_id = i.id and told.target_id = backtest_tells.target and not told.resolved
      and told.told_at < from_time and told.superseded_at >= from_time
    where exists (
      select from occurrence o
      where o.issue_id = i.id and o.known_from < to_time and coalesce(o.known_until > from_time, true))
    union all
    select s.issue_id, s.org_id, s.cluster, s.moment,
      case when s.is_told then s.moment else s.told_at end,
      case when bool_or(s.is_told) over of_cluster then s.moment else s.message_at end,
      s.may_be_told_at,
      s.is_told,
      s.policy_id,
      s.max_events
    from (
      select r.issue_id, r.org_id, r.cluster, r.told_at, r.message_at, r.moment, v.policy_id, v.max_events,
        answer.is_told,
        case
          when o.issue_id is null then r.may_be_told_at
          when answer.is_told then least(v.ends_at, cooldown_end(r.moment, v.cooldown))
          when answer.is_free then r.moment
          when not h.qualifies then v.ends_at
          else least(v.ends_at, greatest(
            h.next_eligible_at,
            (select upper(x.in_force) from silence x where x.id = held.silence_id),
            (select coalesce(upper(x.period), 'infinity') from acknowledgement x where x.id = coalesce(held.acked_by, held.disabled_by))))
        end as may_be_told_at
      from (
        select m.*,
          bool_or(m.real_at = m.moment or m.appears and m.asked_at = m.moment)
            over (partition by m.org_id, m.cluster) as is_decided
        from (
          select r.*, next.appears, real.at as real_at, asked.at as asked_at,
            min(asked.at) over (partition by r.org_id, r.cluster) as moment
          from run r
          left join lateral (
            -- when it is asked next, and what for: it appears; a wait ends; or (else) whenever a decision is taken
            select greatest(o.known_from, r.may_be_told_at, r.at + interval '1 microsecond') as at,
              o.known_from > r.at and o.known_from >= r.may_be_told_at as appears
            from occurrence o
            where o.issue_id = r.issue_id
              and o.known_from < to_time
              and r.may_be_told_at < to_time
              and coalesce(o.known_until > greatest(r.may_be_told_at, r.at + interval '1 microsecond'), true)
            order by o.known_from
            limit 1
          ) next on true
          left join lateral (
            select least(
              (select done.notified_at
               from reported done
               where done.org_id = r.org_id and done.cluster = r.cluster and done.notified_at >= next.at
               order by done.notified_at
               limit 1),
              (select sent.decided_at
               from notification sent
               where sent.org_id = r.org_id and sent.cluster = r.cluster and sent.decided_at >= next.at and sent.replay_of is null
               order by sent.decided_at
               limit 1)) as at
            offset 0
          ) real on true
          left join lateral (
            select case
              when next.appears then case when real.at <= next.at + interval '1 hour' then real.at else next.at end
              -- the cluster had reported within a day (scalar queries, which stay look-ups by index)
              when next.at = r.may_be_told_at and (
                  select true from new_reports n
                  where n.org_id = r.org_id and n.cluster = r.cluster and n.received_at <= next.at
                    and is_recent(n.updated_at, next.at) and n.updated_at < next.at + interval '1 hour'
                    and (
                      select true from read_errors e
                      where e.org_id = n.org_id and e.cluster = n.cluster and e.updated_at = n.updated_at
                      limit 1) is null
                  limit 1)
                then least(real.at, next.at + interval '2 minutes')
              else real.at
            end as at
            offset 0
          ) asked on true
        ) m
        where m.moment < to_time
      ) r
      join verdicts v on v.issue_id = r.issue_id and v.starts_at <= r.moment and v.ends_at > r.moment
      left join occurrence o
        on o.issue_id = r.issue_id and o.known_from <= r.moment and coalesce(o.known_until > r.moment, true)
      left join render_failure unrendered
        on unrendered.issue_id = r.issue_id and unrendered.target_id = backtest_tells.target
        and unrendered.content_id = v.content_id and unrendered.occurrence = o.occurrence
        and lower(unrendered.held_period) <= r.moment and upper(unrendered.held_period) > r.moment
      left join acknowledged_rule org_acked on org_acked.rule_name = v.rule_name and org_acked.org_id = r.org_id
      left join acknowledged_rule cluster_acked on cluster_acked.rule_name = v.rule_name and cluster_acked.cluster = r.cluster
      cross join silenced(tstzrange(from_time, to_time))
      cross join lateral (
        select
          case when r.cluster = any (silenced.clusters) or r.org_id = any (silenced.organizations)
              or v.rule_name = any (silenced.rules) or silenced.others
            then first_silence(r.org_id, r.cluster, v.rule_name, v.error_key, v.tags, r.moment) end as silence_id,
          case when org_acked.rule_name is not null
            then first_acknowledgement(r.org_id, null, v.rule_name, v.error_key, r.moment) end as acked_by,
          case when cluster_acked.rule_name is not null
            then first_acknowledgement(r.org_id, r.cluster, v.rule_name, v.error_key, r.moment) end as disabled_by,
          case when o.occurrence >= v.flapping_occurrences
            then flapping_until(r.issue_id, o.occurrence, v.flapping_occurrences, v.flapping_window) end as flapping_until
        offset 0
      ) held
      cross join lateral (
        select answer.*
        from hold_reasons(
          r.moment, v.reasons, v.cooldown, v.spacing, v.allowed_clusters, v.blocked_clusters, v.flapping_action, r.cluster,
          o.occurrence, true, r.told_at, r.message_at, held.flapping_until, upper(unrendered.held_period),
          held.silence_id, held.acked_by, held.disabled_by) answer
        offset 0
      ) h
      cross join lateral (
        select f.is_free,
          -- without a cooldown it is told with every decision, but time alone does not bring one
          f.is_free and (r.is_decided or coalesce(cooldown_end(r.told_at, v.cooldown) > r.told_at, true)) as is_told
        from (select o.issue_id is not null and cardinality(h.reasons) = 0 as is_free offset 0) f
        offset 0
      ) answer
    ) s
    window of_cluster as (partition by s.org_id, s.cluster)
  )
  select r.org_id, r.cluster, r.issue_id, r.at, r.policy_id, r.max_events
  from run r
  where r.is_told;
$$;

comment on function backtest_tells(integer, timestamptz, timestamptz, jsonb) is
  'Every time an issue would have been told to this target (its id) from from_time until before to_time, by the policies and content of that time; change: settings, as for set_policy, that the target-wide policy would have had.';
--! EndIncluded decide/backtest_tells.sql
--! Included decide/backtest.sql
create or replace function backtest(
  target text, from_time timestamptz, to_time timestamptz, policy jsonb default null
) returns table (day date, issues bigint, messages bigint, clusters bigint, organizations bigint)
language plpgsql stable
set search_path = public, pg_temp
as $$
declare
  wanted_target integer := target_id(backtest.target);
begin
  -- added, not subtracted: infinite times have no difference in PostgreSQL 16; in hours, since days follow the time zone
  if from_time is null or to_time is null or from_time >= to_time or to_time > from_time + interval '9600 hours' then
    raise exception 'a backtest goes from one time to a later one, at most 400 days'
      using errcode = 'invalid_parameter_value';
  end if;
  -- refused even where there is nothing to replay
  perform changed_policy(p, policy)
  from policy p
  where policy is not null and p.target_id = wanted_target and num_nonnulls(p.org_id, p.rule_name) = 0
    and p.validity && tstzrange(from_time, to_time);
  return query
    with told as materialized (
      select t.org_id, t.cluster, t.told_at, (t.told_at at time zone 'UTC')::date as day, count(*) as issues,
        ceil(count(*)::numeric / min(t.max_events))::bigint as messages
      from backtest_tells(wanted_target, from_time, to_time, policy) t
      group by t.org_id, t.cluster, t.told_at
    )
    select d.day::date, coalesce(sum(t.issues), 0)::bigint, coalesce(sum(t.messages), 0)::bigint,
      count(distinct (t.org_id, t.cluster)) filter (where t.cluster is not null),
      count(distinct t.org_id)
    from generate_series((from_time at time zone 'UTC')::date,
      ((to_time - interval '1 microsecond') at time zone 'UTC')::date, interval '1 day') as d (day)
    left join told t on t.day = d.day
    group by d.day
    order by d.day;
end $$;

comment on function backtest(text, timestamptz, timestamptz, jsonb) is
  'What would have been sent to a target, day by day (UTC), if its target-wide policy had had these settings (as for set_policy, for example ''{"cooldown": "3 days"}''); null: the real policies, which gives what the ledger says. Reads only.';
--! EndIncluded decide/backtest.sql
--! Included decide/noise.sql
-- Over the last seven days, by when things became known here.
create or replace view noise with (security_invoker = true) as
with occurred as (
  select i.rule_id,
    count(distinct i.id) filter (where o.known_until is null) as open_issues,
    count(*) filter (where o.known_from > now() - interval '7 days') as occurrences,
    count(*) filter (where o.known_until < o.known_from + interval '1 hour') as gone_within_an_hour
  from occurrence o
  join issue i on i.id = o.issue_id
  where o.known_until is null or o.known_until > now() - interval '7 days'
  group by i.rule_id
), flapped as (
  select p.target_id, i.rule_id, count(*) as flapping_issues
  from policy p
  join issue i on i.occurrence >= p.flapping_occurrences
  where p.validity @> now() and num_nonnulls(p.org_id, p.rule_name) = 0
    and flapping_until(i.id, i.occurrence, p.flapping_occurrences, p.flapping_window) > now()
  group by p.target_id, i.rule_id
), sighted as (
  -- an index-only count for each stretch of each issue
  select i.rule_id, sum(seen.reports) as sightings
  from occurrence o
  join issue i on i.id = o.issue_id
  cross join lateral (
    select count(*) as reports
    from new_reports r
    where r.org_id = i.org_id and r.cluster = i.cluster
      and r.updated_at >= greatest(o.opened_at, now() - interval '7 days')
      and r.updated_at < coalesce(o.closed_at, 'infinity')
  ) seen
  where o.known_until is null or o.known_until > now() - interval '7 days'
  group by i.rule_id
), told as (
  select i.rule_id, n.target_id, count(*) as told, count(distinct i.cluster) as clusters, count(distinct i.org_id) as organizations
  from notified_issue n
  join issue i on i.id = n.issue_id
  where n.live and not n.resolved and n.told_at > now() - interval '7 days'
  group by i.rule_id, n.target_id
)
select
  t.name as target,
  r.component,
  r.error_key,
  coalesce(told.told, 0) as told,
  coalesce(told.clusters, 0) as clusters,
  coalesce(told.organizations, 0) as organizations,
  s.sightings,
  round(1 - coalesce(told.told, 0) / nullif(s.sightings, 0), 4) as dedup_ratio,
  o.occurrences,
  coalesce(f.flapping_issues, 0) as flapping_issues,
  o.gone_within_an_hour,
  o.open_issues
from occurred o
join rule r on r.id = o.rule_id
cross join event_targets t
left join sighted s on s.rule_id = o.rule_id
left join flapped f on f.rule_id = o.rule_id and f.target_id = t.id
left join told on told.rule_id = o.rule_id and told.target_id = t.id;

comment on view noise is 'How loud each rule was in the last seven days, per target: how often it was told, to whom, how many sightings that spared, what flaps; order by told desc for the loudest.';
comment on column noise.target is 'the target';
comment on column noise.component is 'the rule, as reports spell it';
comment on column noise.error_key is 'which of the rule''s problems';
comment on column noise.told is 'how many times an issue of it was told';
comment on column noise.clusters is 'about how many clusters';
comment on column noise.organizations is 'to how many organizations';
comment on column noise.sightings is 'in how many reports it was';
comment on column noise.dedup_ratio is 'share of the sightings that were not told: 1 - told / sightings';
comment on column noise.occurrences is 'how many times it appeared';
comment on column noise.flapping_issues is 'issues of it that flap now, by the target''s policy';
comment on column noise.gone_within_an_hour is 'how many times it went within an hour after it had appeared';
comment on column noise.open_issues is 'how many clusters have it now';
--! EndIncluded decide/noise.sql
--! Included decide/set_policy.sql
-- A change is an insert: the version in force ends where the new one begins, and the past keeps its answer. The first
-- policy for an organization or a rule begins as a copy of the one that was in force for it until then.
--
-- Takes no lock that a decision needs: somebody may change a policy, look at explain_diff for an hour, and roll back.
create or replace function set_policy(
  target text,
  change jsonb,
  reason text,
  at timestamptz default now(),
  org_id bigint default null,
  rule text default null
) returns policy
language plpgsql volatile
set search_path = public, pg_temp
as $$
declare
  wanted_target integer := target_id(set_policy.target);
  scope_rule text := rule_name(set_policy.rule);
  present policy;
  is_successor boolean;
  successor policy;
begin
  if set_policy.rule like '%|%' then
    raise exception 'a policy is for a whole rule, not for one of its error keys' using errcode = 'invalid_parameter_value';
  end if;
  -- of two changes at once the second waits here, in a statement before the one that is to see what the first made
  perform lock_policies(wanted_target);

  select p.* into present
  from policy p
  where p.target_id = wanted_target
    and upper_inf(p.validity)
    and (p.org_id is null or p.org_id = set_policy.org_id)
    and (p.rule_name is null or p.rule_name = scope_rule)
  order by p.org_id nulls last, p.rule_name nulls last
  limit 1;
  -- a narrower one may begin together with the wider one that it copies
  is_successor := present.org_id is not distinct from set_policy.org_id and present.rule_name is not distinct from scope_rule;
  if lower(present.validity) > set_policy.at or is_successor and lower(present.validity) = set_policy.at then
    raise exception 'the policy in force began at %, a new one has to begin later', lower(present.validity)
      using errcode = 'invalid_parameter_value';
  end if;
  successor := changed_policy(present, change, set_policy.at);
  successor.org_id := set_policy.org_id;
  successor.rule_name := scope_rule;
  successor.validity := tstzrange(set_policy.at, null);
  successor.reason := set_policy.reason;
  perform check_policy(successor);
  if is_successor then
    update policy p set validity = tstzrange(lower(p.validity), set_policy.at) where p.id = present.id;
  end if;

  insert into policy (target_id, org_id, rule_name, enabled, total_risk_threshold, likelihood_threshold,
    impact_threshold, severity_threshold, required_tags, cooldown, max_events, filter, allowed_clusters,
    blocked_clusters, spacing, flapping_occurrences, flapping_window, flapping_action, tell_resolved,
    tell_resolved_since, validity, reason)
  values (wanted_target, successor.org_id, successor.rule_name, successor.enabled, successor.total_risk_threshold,
    successor.likelihood_threshold, successor.impact_threshold, successor.severity_threshold,
    successor.required_tags, successor.cooldown, successor.max_events, successor.filter,
    successor.allowed_clusters, successor.blocked_clusters, successor.spacing, successor.flapping_occurrences,
    successor.flapping_window, successor.flapping_action, successor.tell_resolved, successor.tell_resolved_since,
    successor.validity, successor.reason)
  returning * into successor;
  perform request_decisions('policy changed',
    case when scope_rule is not null then array[scope_rule] end, set_policy.org_id, at => set_policy.at);
  return successor;
exception
  when exclusion_violation then
    raise exception 'there is a policy of its own at that time already, or it ended later than that'
      using errcode = 'invalid_parameter_value';
end $$;

comment on function set_policy(text, jsonb, text, timestamptz, bigint, text) is
  'Changes the policy of a target from this time on, for everybody or only for an organization, a rule (any spelling) or both; for example set_policy(''service log'', ''{"enabled": true}'', ''go-live''). Clusters that report are asked again.';
--! EndIncluded decide/set_policy.sql
--! Included decide/end_policy.sql
create or replace function end_policy(
  target text,
  reason text,
  at timestamptz default now(),
  org_id bigint default null,
  rule text default null
) returns policy
language plpgsql volatile
set search_path = public, pg_temp
as $$
declare
  scope_rule text := rule_name(end_policy.rule);
  ended policy;
begin
  if end_policy.rule like '%|%' then
    raise exception 'a policy is for a whole rule, not for one of its error keys' using errcode = 'invalid_parameter_value';
  end if;
  if num_nonnulls(org_id, scope_rule) = 0 then
    raise exception 'the policy of a target cannot end, only change (set_policy); name an organization or a rule'
      using errcode = 'invalid_parameter_value';
  end if;
  if length(btrim(coalesce(end_policy.reason, ''))) < 5 then
    raise exception 'the end of a policy needs a reason that a colleague understands' using errcode = 'invalid_parameter_value';
  end if;
  perform lock_policies(target_id(end_policy.target));
  update policy p
  set validity = tstzrange(lower(p.validity), end_policy.at), ended_by = session_user, end_reason = end_policy.reason
  where p.target_id = target_id(end_policy.target)
    and upper_inf(p.validity)
    and lower(p.validity) < end_policy.at
    and p.org_id is not distinct from end_policy.org_id
    and p.rule_name is not distinct from scope_rule
  returning * into ended;
  if not found then
    raise exception 'there is no policy of its own for that organization or rule'
      using errcode = 'invalid_parameter_value';
  end if;
  perform request_decisions('policy ended',
    case when scope_rule is not null then array[scope_rule] end, ended.org_id, at => end_policy.at);
  return ended;
end $$;

comment on function end_policy(text, text, timestamptz, bigint, text) is
  'Ends the policy that an organization or a rule has of its own; the wider one counts again.';
--! EndIncluded decide/end_policy.sql
--! Included content/load_content.sql
-- The whole content at once: what changed gets a new version, what is gone ends, the rest is left alone.
create or replace function load_content(content jsonb, at timestamptz default now())
returns table (added integer, changed integer, removed integer, unchanged integer)
language plpgsql volatile
set search_path = public, pg_temp
-- somebody may have loaded content in a transaction that is still open, to see what it would change
set lock_timeout = '10s'
as $$
#variable_conflict use_column
declare
  rule_names text[];
begin
  -- two loads at once would each end the other's versions
  lock table rule_content in share row exclusive mode;

  with incoming as materialized (
    select * from jsonb_populate_recordset(null::rule_content, content)
  ), compared as materialized (
    select i.*, c.id as present_id, i.rule_name is null as is_gone, c.rule_name as present_rule_name,
      c.id is not null and i.rule_name is not null and
        (c.python_module, c.description, c.generic, c.summary, c.reason, c.resolution, c.more_info, c.impact,
          c.likelihood, c.status, c.publish_date, c.tags)
        is not distinct from
        (i.python_module, i.description, i.generic, i.summary, i.reason, i.resolution, i.more_info, i.impact,
          i.likelihood, i.status, i.publish_date, i.tags) as is_same
    from incoming i
    full join (select * from rule_content where upper_inf(validity)) c
      on c.rule_name = i.rule_name and c.error_key = i.error_key
  ), ended as (
    update rule_content c
    set validity = tstzrange(lower(c.validity), load_content.at)
    from compared d
    where c.id = d.present_id and not d.is_same
  )
  select
    count(*) filter (where present_id is null),
    count(*) filter (where present_id is not null and not is_gone and not is_same),
    count(*) filter (where is_gone),
    count(*) filter (where is_same),
    array_agg(distinct coalesce(rule_name, present_rule_name)) filter (where not is_same)
  into added, changed, removed, unchanged, rule_names
  from compared;

  insert into rule_content
    (rule_name, python_module, error_key, description, generic, summary, reason, resolution, more_info, impact,
      likelihood, status, publish_date, tags, validity)
  select i.rule_name, i.python_module, i.error_key, i.description, i.generic, i.summary, i.reason, i.resolution,
    i.more_info, i.impact, i.likelihood, i.status, i.publish_date, i.tags, tstzrange(load_content.at, null)
  from jsonb_populate_recordset(null::rule_content, content) i
  where not exists (
    select from rule_content c
    where c.rule_name = i.rule_name and c.error_key = i.error_key and upper_inf(c.validity));

  if rule_names is not null then
    perform request_decisions('content changed', rule_names, at => load_content.at);
  end if;
  return next;
end $$;

comment on function load_content(jsonb, timestamptz) is
  'Takes over the whole rule content (array of objects with the columns of rule_content) in one transaction: new versions for what changed, an end for what is gone; clusters concerned are asked again.';
--! EndIncluded content/load_content.sql
--! Included content/content_diff.sql
-- For a transaction that is rolled back: load content, and see what it would change.
create or replace view content_diff with (security_invoker = true) as
select
  rule_name,
  error_key,
  case when past.id is null then 'added' when present.id is null then 'removed' else 'changed' end as change,
  case when past.id is not null and present.id is not null then array(
    select before.key
    from jsonb_each(to_jsonb(past) - '{id,validity,total_risk}'::text[]) before
    join jsonb_each(to_jsonb(present)) after using (key)
    where before.value <> after.value
    order by before.key)
  end as columns,
  past.total_risk as total_risk_before,
  present.total_risk,
  past.id as content_id_before,
  present.id as content_id
from (select * from rule_content where upper(validity) = now()) past
full join (select * from rule_content where lower(validity) = now()) present using (rule_name, error_key);

comment on view content_diff is 'What the open transaction changed in the content: versions that ended or began with it. Empty unless this transaction loaded content; roll back to only try.';
comment on column content_diff.rule_name is 'bare name of the rule';
comment on column content_diff.error_key is 'which of the rule''s problems';
comment on column content_diff.change is 'added, changed or removed';
comment on column content_diff.columns is 'what changed, by column of rule_content; null unless changed';
comment on column content_diff.total_risk_before is 'total risk before; null: added';
comment on column content_diff.total_risk is 'total risk with the change; null: removed';
comment on column content_diff.content_id_before is 'content version that ends; null: added';
comment on column content_diff.content_id is 'content version that begins; null: removed';
--! EndIncluded content/content_diff.sql
--! Included content/missing_content.sql
create or replace view missing_content with (security_invoker = true) as
select
  v.component,
  v.error_key,
  count(*) as issues,
  count(distinct v.cluster) as clusters,
  count(distinct v.org_id) as organizations,
  min(v.first_seen) as first_seen
from verdict((select min(t.id) from event_targets t), now()) v
join issue i on i.id = v.issue_id
where i.closed_at is null and 'no_content' = any (v.reasons)
group by v.component, v.error_key;

comment on view missing_content is 'Rules that clusters have open issues of and nothing is known about; they are held until content arrives.';
comment on column missing_content.component is 'the rule, as reports spell it';
comment on column missing_content.error_key is 'which of the rule''s problems';
comment on column missing_content.issues is 'how many open issues wait for it';
comment on column missing_content.clusters is 'of how many clusters';
comment on column missing_content.organizations is 'of how many organizations';
comment on column missing_content.first_seen is 'time of the first report that had it';
--! EndIncluded content/missing_content.sql
--! Included deliver/retry_delay.sql
-- 2 s, 4 s, 8 s … up to 15 minutes, each between three quarters and five quarters of it, so that messages that failed
-- together do not all come back together.
create or replace function retry_delay(attempts integer) returns interval
language sql volatile parallel safe
return least(interval '2 seconds' * 2 ^ least(attempts - 1, 20), interval '15 minutes') * (0.75 + random() / 2);

comment on function retry_delay(integer) is 'How long to wait after this many failed attempts, with jitter.';
--! EndIncluded deliver/retry_delay.sql
--! Included deliver/retry_horizon.sql
-- Receivers remember message ids for a day; a try after that could be taken for a new message.
create or replace function retry_horizon() returns interval
language sql immutable parallel safe
return interval '22 hours';

comment on function retry_horizon() is 'How long after its first try a message may be tried again.';
--! EndIncluded deliver/retry_horizon.sql
--! Included deliver/redrive_horizon.sql
create or replace function redrive_horizon() returns interval
language sql immutable parallel safe
return interval '23 hours';

comment on function redrive_horizon() is 'How long after its first try a message may be redriven, and tried then: safely less than the day for which receivers remember its id.';
--! EndIncluded deliver/redrive_horizon.sql
--! Included deliver/retry_until.sql
-- Counted from the first try: the receiver cannot have seen the id before. What waited behind an open circuit has all its
-- time still before it. A person may ask for one more hour; a try takes minutes, so the day is never reached.
create or replace function retry_until(n notification) returns timestamptz
language sql stable parallel safe
return n.first_tried_at + case when n.redriven_at is null then retry_horizon() else redrive_horizon() end;

comment on function retry_until(notification) is 'When a message is given up if nothing gets through until then; null: it was not tried yet.';
--! EndIncluded deliver/retry_until.sql
--! Included deliver/circuit_delay.sql
-- Shorter at most than the back-off of a message: everything waits for it, and a probe is cheap.
create or replace function circuit_delay(failed_probes integer) returns interval
language sql volatile parallel safe
return least(retry_delay(failed_probes + 1), interval '5 minutes');

comment on function circuit_delay(integer) is 'How long an open circuit stays open after this many failed probes.';
--! EndIncluded deliver/circuit_delay.sql
--! Included deliver/next_delivery_at.sql
create or replace function next_delivery_at(target_id integer) returns timestamptz
language sql stable
set search_path = public, pg_temp
as $$
  select greatest(
    n.next_attempt_at,
    (select greatest(c.retry_at, c.probe_until) from circuit c where c.target_id = next_delivery_at.target_id))
  from notification n
  where n.target_id = next_delivery_at.target_id and n.state = 'pending'
  order by n.next_attempt_at
  limit 1;
$$;

comment on function next_delivery_at(integer) is
  'When a message of this target may next be claimed: the earliest that waits, but not before its circuit lets one through; null: none waits.';
--! EndIncluded deliver/next_delivery_at.sql
--! Included deliver/claim_notifications.sql
-- Hands out messages that are due. The lease is next_attempt_at itself: a worker that dies simply lets it pass.
-- `skip locked` lets any number of workers claim at once; ordering by due time keeps a message that fails again and
-- again from standing in front of the others.
--
-- While the circuit of the target is open nothing is handed out, but for the probe when it is time: three messages, to one
-- worker, which of the hundred that are due longest have been tried least. (One that the receiver chokes on must not
-- be the probe each time.) The lease of the probe ends like any other when its worker dies.
--
-- Always a few rows found by index, whatever the statistics say: on tables that were not analyzed yet the planner read
-- all of issue once for every message (0.25 ms instead of 0.01 ms each with 3,000 issues, and growing with them).
create or replace function claim_notifications(
  target text, batch_size integer, lease interval default '2 minutes', at timestamptz default now()
) returns table (
  id bigint, message_id uuid, attempt integer, org_id bigint, account_number bigint, cluster text,
  updated_at timestamptz, decided_at timestamptz, resolved boolean, issues jsonb
)
language sql volatile
set search_path = public, pg_temp
set enable_seqscan = off
begin atomic
  with probe as materialized (
    select c.target_id
    from circuit c
    where c.target_id = (select t.id from event_targets t where t.name = target)
      and c.opened_at is not null
      and c.retry_at <= at
      and coalesce(c.probe_until <= at, true)
    for update skip locked
  ), due as (
    select n.id, n.attempts, n.next_attempt_at
    from notification n
    where n.target_id = (select t.id from event_targets t where t.name = target)
      and n.state = 'pending'
      and n.next_attempt_at <= at
      -- too late for another try (sweep gives it up)
      and coalesce(retry_until(n) > at, true)
      and (exists (select from probe) or not exists (
        select from circuit c
        where c.target_id = (select t.id from event_targets t where t.name = target) and c.opened_at is not null))
    order by n.next_attempt_at, n.id
    limit case when exists (select from probe) then 100 else batch_size end
    for update skip locked
  ), taken as (
    select d.id
    from due d
    order by case when exists (select from probe) then d.attempts end, d.next_attempt_at, d.id
    limit case when exists (select from probe) then least(3, batch_size) else batch_size end
  ), claimed as (
    update notification n
    set attempts = n.attempts + 1,
        next_attempt_at = at + lease,
        leased_until = at + lease,
        first_tried_at = coalesce(n.first_tried_at, at)
    from taken
    where n.id = taken.id
    returning n.id, n.message_id, n.attempts, n.org_id, n.account_number, n.cluster, n.updated_at, n.decided_at, n.resolved
  ), probing as (
    update circuit c
    set probe_until = at + lease, probe_messages = array(select k.id from claimed k)
    from probe
    where c.target_id = probe.target_id and exists (select from claimed)
  )
  select c.id, c.message_id, c.attempts, c.org_id, c.account_number, c.cluster, c.updated_at, c.decided_at, c.resolved,
    said.issues
  from claimed c
  left join new_reports r on r.org_id = c.org_id and r.cluster = c.cluster and r.updated_at = c.updated_at
  -- each report is read once, however many issues it tells
  cross join lateral (select readable_report(r.report) as report offset 0) current
  cross join lateral (
    select jsonb_agg(
      jsonb_build_object(
        'issue_id', i.id::text,
        'component', rule.component,
        'error_key', rule.error_key,
        'total_risk', rc.total_risk,
        'content_id', rc.id::text,
        'details', coalesce(there.details, gone.details))
      order by rc.total_risk desc, i.id) as issues
    from notified_issue n
    join issue i on i.id = n.issue_id
    join rule on rule.id = i.rule_id
    join rule_content rc on rc.id = n.content_id
    left join hit_details(current.report) there
      on there.component = rule.component and there.error_key = rule.error_key and not c.resolved
    left join lateral (
      -- the last report that still had it; one that came late, or was replaced, may lie between that and the one without it
      select h.details
      from occurrence o
      join new_reports before
        on before.org_id = c.org_id and before.cluster = c.cluster
        and before.updated_at >= o.opened_at and before.updated_at < o.closed_at
      cross join lateral hit_details(readable_report(before.report)) h
      where c.resolved and o.issue_id = n.issue_id and o.occurrence = n.occurrence
        and h.component = rule.component and h.error_key = rule.error_key
      order by before.updated_at desc
      limit 1
    ) gone on true
    where n.notification_id = c.id and not n.left_out
  ) said
  order by c.id;
end;

comment on function claim_notifications(text, integer, interval, timestamptz) is
  'Takes up to batch_size messages that are due for this target for the length of the lease, with the issues to tell and the details of their hits; a few or none while its circuit is open.';
--! EndIncluded deliver/claim_notifications.sql
--! Included deliver/record_reported.sql
-- One row for each decision and target, however many messages it took: sent as soon as one got through, error while
-- none did. error_log names what failed. A replay is no decision: it counts for the message that it repeats.
create or replace function record_reported(notification_ids bigint[]) returns void
language sql volatile
set search_path = public, pg_temp
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
--! Included deliver/told_otherwise.sql
-- What told_once_per_cooldown and resolved_once_per_occurrence would refuse, asked beforehand.
create or replace function told_otherwise(i notified_issue) returns boolean
language sql stable parallel safe
return exists (
  select from notified_issue other
  where other.live
    and other.target_id = i.target_id
    and other.issue_id = i.issue_id
    and other.resolved = i.resolved
    and other.notification_id <> i.notification_id
    and case when i.resolved then other.occurrence = i.occurrence else other.cooldown_period && i.cooldown_period end);

comment on function told_otherwise(notified_issue) is
  'Whether another message, sent or on its way, tells the same: then this entry of the ledger cannot count as told, too.';
--! EndIncluded deliver/told_otherwise.sql
--! Included deliver/close_circuit.sql
-- settle_circuit() closes it by this, too; a person may know before the next probe that the receiver is back.
create or replace function close_circuit(target text) returns boolean
language plpgsql volatile
set search_path = public, pg_temp
as $$
begin
  update circuit c
  set failures = 0, failed_messages = '{}', failed_probes = 0, opened_at = null, retry_at = null, probe_until = null,
      probe_messages = '{}'
  where c.target_id = target_id(close_circuit.target) and c.opened_at is not null;
  if not found then
    return false;
  end if;
  perform announce('circuit', jsonb_build_object('target', target, 'state', 'closed'));
  -- nobody has anything to do since it opened
  perform wake_delivery(target);
  return true;
end $$;

comment on function close_circuit(text) is
  'Closes the circuit of this target, so that everything that is due is sent at once; false: it was not open. It opens again if the receiver is still down.';
--! EndIncluded deliver/close_circuit.sql
--! Included deliver/settle_circuit.sql
-- Closed: everything is claimed. It opens when five different messages in a row found the receiver down (so one that the
-- receiver chokes on never opens it alone), or at once when the receiver asks for time. Open: nothing is claimed until
-- retry_at, then a few messages by one worker (claim_notifications). Half-open: if one of them gets through, or is refused
-- by a receiver that evidently lives, it closes, even after others of them failed (they may be settled one by one); else it
-- stays open, longer each time. A failure of what was claimed before it opened counts as no probe.
--
-- Before retry_at nothing else closes it: what was under way when the receiver asked for time may well succeed. When it asks
-- during the probe, the probe is over, and the rest of it is such a message, too.
create or replace function settle_circuit(
  target_id integer, alive bigint[], failed bigint[], limited bigint[], limited_until timestamptz, failure text, error text,
  at timestamptz
) returns text
language plpgsql volatile
set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
  c circuit;
  was_open boolean;
  half_open boolean;
  probe_failed boolean;
begin
  -- nearly always: a read and no more
  if limited is null and (alive is not null or failed is null) and not exists (
    select from circuit k
    where k.target_id = settle_circuit.target_id
      and case when alive is not null then k.opened_at is not null or k.failures > 0 else k.probe_until is not null end)
  then
    return null;
  end if;

  insert into circuit (target_id) values (settle_circuit.target_id) on conflict do nothing;
  select * into c from circuit k where k.target_id = settle_circuit.target_id for update;
  was_open := c.opened_at is not null;
  half_open := was_open and c.retry_at <= at;
  probe_failed := half_open and c.probe_until is not null and (failed || limited) && c.probe_messages;

  if limited is null and failed is null and alive is null then
    -- nothing of the probe was told by the receiver, or not yet: who waits for it need not wait for its lease
    if not exists (
      select from notification n where n.id = any (c.probe_messages) and n.leased_until is not null)
    then
      c.probe_until := null;
    end if;
  elsif limited is not null or alive is null then
    c.failures := c.failures + 1;
    c.last_failure := settle_circuit.failure;
    c.last_error := settle_circuit.error;
    c.last_failed_at := at;
    c.failed_messages := array(
      select distinct m from unnest(c.failed_messages || failed) m order by m limit 5);
    if probe_failed then
      c.failed_probes := c.failed_probes + 1;
      c.probe_until := null;
    end if;
    if limited is not null then
      c.probe_until := null;
      c.probe_messages := '{}';
    end if;
    if limited is not null or probe_failed or (not was_open and cardinality(c.failed_messages) >= 5) then
      c.opened_at := coalesce(c.opened_at, at);
      c.retry_at := greatest(limited_until, at + circuit_delay(c.failed_probes), case when not half_open then c.retry_at end);
    end if;
  elsif not was_open then
    c.failures := 0;
    c.failed_messages := '{}';
  elsif half_open or alive && c.probe_messages then
    perform close_circuit(t.name) from event_targets t where t.id = settle_circuit.target_id;
    return 'closed';
  end if;

  update circuit k
  set failures = c.failures, failed_messages = c.failed_messages, failed_probes = c.failed_probes,
      opened_at = c.opened_at, retry_at = c.retry_at, probe_until = c.probe_until, probe_messages = c.probe_messages,
      last_failure = c.last_failure, last_error = c.last_error, last_failed_at = c.last_failed_at
  where k.target_id = settle_circuit.target_id;

  if was_open or c.opened_at is null then
    return null;
  end if;
  perform announce('circuit', jsonb_build_object(
    'target', (select t.name from event_targets t where t.id = settle_circuit.target_id),
    'state', 'open',
    'failure', c.last_failure));
  return 'opened';
end $$;

comment on function settle_circuit(integer, bigint[], bigint[], bigint[], timestamptz, text, text, timestamptz) is
  'Notes what messages (null: none) say about the receiver of a target: that it lives, is down, or asks for time, and until when. Returns opened or closed when that changed its circuit.';
--! EndIncluded deliver/settle_circuit.sql
--! Included deliver/lock_replays.sql
-- Taken before any row: whoever waits here holds nothing that the other one needs.
create or replace function lock_replays() returns void
language sql volatile
set search_path = public, pg_temp
as $$
  select pg_advisory_xact_lock(hashtextextended('replay', 0));
$$;

comment on function lock_replays() is
  'Lets only one transaction at a time bring back what was given up (redrive, replay): two at once would both find that nobody has done it.';
--! EndIncluded deliver/lock_replays.sql
--! Included deliver/settle_notifications.sql
-- Records how deliveries ended. A success counts whoever reports it (the message is out); a failure only from the
-- worker that still holds the message. What cannot succeed any more is dead: then its issues do not count as told.
--
-- An outcome is {id, attempt, sent, result} or {id, attempt, sent: false, failure, error, permanent, retry_after_ms}, either with
-- unrendered: [{issue_id, error}] for issues left out. tried: false says that the message certainly did not go out, so that
-- the attempt is given back; expired: true comes from give_up_expired(), which is no worker.
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
    select n.id, o.unrendered, o.result, coalesce(o.failure, 'client') as failure, left(o.error, 1000) as error,
      coalesce(o.permanent, false) as permanent, o.retry_after_ms, not coalesce(o.tried, true) as untried, coalesce(o.expired, false) as expired,
      retry.next_attempt_at,
      case
        when o.sent then 'sent'
        when o.permanent or retry.next_attempt_at > retry_until(n) then 'dead'
        else 'pending'
      end as state
    from notification n
    join outcome o on o.id = n.id
    cross join lateral (
      select at + greatest(
        retry_delay(case when o.tried = false then 1 else n.attempts - n.attempts_before end),
        coalesce(o.retry_after_ms, 0) * interval '1 millisecond') as next_attempt_at
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
--! Included deliver/give_up_expired.sql
-- Nobody claims a message whose horizon has passed, so settle_notifications() never hears of it: a worker died between
-- sending and settling, or the circuit was open all the time. What went wrong last stays its reason where that is known.
create or replace function give_up_expired(at timestamptz default now()) returns integer
language sql volatile
set search_path = public, pg_temp
as $$
  select coalesce(sum(s.dead), 0)::integer
  from (
    select jsonb_agg(jsonb_build_object(
      'id', n.id, 'attempt', n.attempts, 'sent', false, 'permanent', true, 'expired', true)
      || case
        when n.leased_until is null and n.failure is not null then
          jsonb_build_object('failure', n.failure, 'error', n.last_error)
        else jsonb_build_object('failure', 'timeout',
          'error', format('given up: %s tries, and it is not known how the last one ended', n.attempts))
      end) as outcomes
    from notification n
    where n.state = 'pending'
      and n.next_attempt_at <= at
      and retry_until(n) <= at
  ) expired
  cross join lateral settle_notifications(expired.outcomes, at) s
  where expired.outcomes is not null;
$$;

comment on function give_up_expired(timestamptz) is
  'Gives up messages that were tried, have not got through, and are too old to be tried again; returns how many.';
--! EndIncluded deliver/give_up_expired.sql
--! Included deliver/delivery_gap.sql
create or replace view delivery_gap with (security_invoker = true) as
select
  t.name as target,
  n.id as notification_id,
  n.message_id,
  n.org_id,
  n.cluster,
  (select count(*) from notified_issue i where i.notification_id = n.id and not i.left_out) as issues,
  n.decided_at,
  now() - n.decided_at as age,
  n.attempts,
  n.next_attempt_at,
  retry_until(n) as given_up_at,
  n.failure,
  n.last_error,
  n.leased_until,
  greatest(c.retry_at, c.probe_until) as held_until,
  n.replay_of
from notification n
join event_targets t on t.id = n.target_id
left join circuit c on c.target_id = n.target_id
where n.state = 'pending';

comment on view delivery_gap is 'What was decided and has not ended: messages neither sent nor given up, with their age and what went wrong last.';
comment on column delivery_gap.target is 'where it goes';
comment on column delivery_gap.notification_id is 'number of the message';
comment on column delivery_gap.message_id is 'id the receiver sees';
comment on column delivery_gap.org_id is 'organization that is to be told';
comment on column delivery_gap.cluster is 'cluster it is about';
comment on column delivery_gap.issues is 'how many issues it tells';
comment on column delivery_gap.decided_at is 'when it was decided';
comment on column delivery_gap.age is 'how long ago that is';
comment on column delivery_gap.attempts is 'how many times it was handed to a worker';
comment on column delivery_gap.next_attempt_at is 'when it may be tried (again), or the lease of the worker that has it ends';
comment on column delivery_gap.given_up_at is 'when it is given up if nothing gets through until then; null: not tried yet';
comment on column delivery_gap.failure is 'what kind of failure the last one was';
comment on column delivery_gap.last_error is 'what went wrong the last time';
comment on column delivery_gap.leased_until is 'a worker has it until then; null: nobody has it';
comment on column delivery_gap.held_until is 'not claimed before, since the circuit of its target is open (delivery_circuit); null: closed';
comment on column delivery_gap.replay_of is 'the message that it repeats; null: none';
--! EndIncluded deliver/delivery_gap.sql
--! Included deliver/delivery_circuit.sql
create or replace view delivery_circuit with (security_invoker = true) as
select
  t.name as target,
  case
    when c.opened_at is null then 'closed'
    when c.retry_at > now() then 'open'
    else 'half-open'
  end as state,
  c.opened_at as since,
  c.retry_at as probe_at,
  c.probe_until,
  coalesce(c.failed_probes, 0) as failed_probes,
  coalesce(c.failures, 0) as failures,
  c.last_failure,
  c.last_error,
  c.last_failed_at,
  (select count(*) from notification n where n.target_id = t.id and n.state = 'pending') as waiting
from event_targets t
left join circuit c on c.target_id = t.id;

comment on view delivery_circuit is 'Whether each target is sent to (closed), waits since its receiver is down or asked for time (open), or is being tried with a few messages (half-open).';
comment on column delivery_circuit.target is 'the target';
comment on column delivery_circuit.state is 'closed, open or half-open';
comment on column delivery_circuit.since is 'since when it is open; null: it is closed';
comment on column delivery_circuit.probe_at is 'when the next few messages may be tried';
comment on column delivery_circuit.probe_until is 'a worker is trying them; the end of its lease';
comment on column delivery_circuit.failed_probes is 'how many such tries failed since it opened';
comment on column delivery_circuit.failures is 'failures in a row that said that the receiver is down or asks for time';
comment on column delivery_circuit.last_failure is 'kind of the last such failure; stays when the circuit closes';
comment on column delivery_circuit.last_error is 'what went wrong then';
comment on column delivery_circuit.last_failed_at is 'when that was';
comment on column delivery_circuit.waiting is 'messages that are not sent yet';
--! EndIncluded deliver/delivery_circuit.sql
--! Included deliver/redrive_refusal.sql
create or replace function redrive_refusal(n notification, at timestamptz) returns text
language sql stable parallel safe
return case
  when n.state <> 'dead' then 'it is not dead'
  when n.replay_of is not null then 'it is a replay: replay the message that it repeats once more'
  when exists (select from notification again where again.replay_of = n.id and again.state <> 'dead')
    then 'it has been replayed'
  when n.first_tried_at <= at - redrive_horizon()
    then 'the receiver may have forgotten its id, and would take it for a new message: replay it'
  when not exists (
    select from notified_issue i where i.notification_id = n.id and not i.left_out and not told_otherwise(i))
    then 'all its issues have been told since'
end;

comment on function redrive_refusal(notification, timestamptz) is
  'Why a message cannot be redriven at this time; null: it can.';
--! EndIncluded deliver/redrive_refusal.sql
--! Included deliver/redrive.sql
-- Back into the outbox under the same id, the newest first: of several that tell the same issue only one may count as told.
-- An issue that was told by another message meanwhile, or is about to be, is left out.
--
-- The clock is read when we have the rows: whoever decided while we waited for them did not know that they count as told again.
create or replace function redrive(notification_ids bigint[], at timestamptz default null)
returns table (notification_id bigint, target text, issues integer, left_out integer, refusal text)
language plpgsql volatile
set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
  n notification;
begin
  perform lock_replays();
  perform from notification d where d.id = any (notification_ids) order by d.id for update;
  at := coalesce(at, clock_timestamp());
  for n in
    select d.*
    from notification d
    where d.id = any (notification_ids)
    order by d.decided_at desc, d.id desc
  loop
    notification_id := n.id;
    target := (select t.name from event_targets t where t.id = n.target_id);
    issues := 0;
    left_out := 0;
    refusal := redrive_refusal(n, at);
    if refusal is null then
      begin
        with told_since as (
          update notified_issue i
          set left_out = true
          where i.notification_id = n.id and not i.left_out and told_otherwise(i)
          returning 1
        )
        select count(*) into left_out from told_since;
        with told_again as (
          update notified_issue i
          set voided = i.voided - tstzmultirange(tstzrange(at, null))
          where i.notification_id = n.id and not i.left_out
          returning 1
        )
        select count(*) into issues from told_again;
        update notification d
        set state = 'pending', ended_at = null, next_attempt_at = at, redriven_at = at, attempts_before = d.attempts
        where d.id = n.id;
      exception
        -- a decision that committed while we waited for it, or waits for us, too
        when exclusion_violation or unique_violation or deadlock_detected then
          issues := 0;
          left_out := 0;
          refusal := 'its issues are being told at this moment';
      end;
    end if;
    return next;
  end loop;

  perform wake_delivery(t.name)
  from event_targets t
  where t.id in (
    select d.target_id from notification d where d.id = any (notification_ids) and d.state = 'pending' and d.redriven_at = at);
end $$;

comment on function redrive(bigint[], timestamptz) is
  'Puts messages that were given up (dead_letter) back into the outbox under the same id; their issues count as told again. Returns a row for each: how many issues it tells and leaves out, or why it was refused.';
--! EndIncluded deliver/redrive.sql
--! Included deliver/dead_letter.sql
create or replace view dead_letter with (security_invoker = true) as
select
  n.id as notification_id,
  t.name as target,
  n.message_id,
  n.org_id,
  n.cluster,
  (select count(*) from notified_issue i where i.notification_id = n.id and not i.left_out) as issues,
  n.failure,
  n.last_error,
  n.attempts,
  n.decided_at,
  n.first_tried_at,
  n.ended_at,
  refusal.text is null as redrivable,
  refusal.text as refusal,
  n.replay_of
from notification n
join event_targets t on t.id = n.target_id
cross join lateral (select redrive_refusal(n, now()) as text offset 0) refusal
where n.state = 'dead';

comment on view dead_letter is 'Messages that were given up, why, and whether they can be redriven: select * from redrive(array(select notification_id from dead_letter where …)).';
comment on column dead_letter.notification_id is 'number of the message';
comment on column dead_letter.target is 'where it was to go';
comment on column dead_letter.message_id is 'id the receiver would have seen';
comment on column dead_letter.org_id is 'organization that was to be told';
comment on column dead_letter.cluster is 'cluster it is about';
comment on column dead_letter.issues is 'how many issues it tells';
comment on column dead_letter.failure is 'what kind of failure ended it';
comment on column dead_letter.last_error is 'what went wrong, for people';
comment on column dead_letter.attempts is 'how many times it was handed to a worker';
comment on column dead_letter.decided_at is 'when it was decided';
comment on column dead_letter.first_tried_at is 'when it may first have gone out; null: it certainly never did';
comment on column dead_letter.ended_at is 'when it was given up';
comment on column dead_letter.redrivable is 'it can be redriven now, under the same id';
comment on column dead_letter.refusal is 'why it cannot';
comment on column dead_letter.replay_of is 'the message that it repeated; null: none';
--! EndIncluded deliver/dead_letter.sql
--! Included deliver/check_stretch.sql
create or replace function check_stretch(started_at timestamptz, stopped_at timestamptz, at timestamptz) returns boolean
language plpgsql immutable
set search_path = public, pg_temp
as $$
begin
  if started_at >= stopped_at or stopped_at > at or started_at is null or stopped_at is null then
    raise exception 'a replay needs a stretch of the past: it begins before it ends, and has ended already'
      using errcode = 'invalid_parameter_value';
  end if;
  return true;
end $$;

comment on function check_stretch(timestamptz, timestamptz, timestamptz) is 'True for a stretch of time that can be replayed; an error that says why for any other.';
--! EndIncluded deliver/check_stretch.sql
--! Included deliver/preview_replay.sql
-- What was said: of a message that was sent, the issues that were in it. Of one that was given up, those that nobody has been
-- told of since, each once, by the last message that should have; what a replay told of it counts as told. A replay is not
-- replayed itself, and what was replayed within a day, or waits to be, is passed over. All that unless asked for: Enter is
-- easily hit twice.
create or replace function preview_replay(
  started_at timestamptz, stopped_at timestamptz, target text default null, org_id bigint default null,
  cluster text default null, rule text default null, again boolean default false, at timestamptz default now()
) returns table (
  notification_id bigint, target text, org_id bigint, cluster text, state text, ended_at timestamptz, issue_ids bigint[]
)
language sql stable
set search_path = public, pg_temp
as $$
  with told as (
    select n.id, n.target_id, n.org_id, n.cluster, n.state, n.ended_at, i.issue_id,
      n.state = 'dead' and i.live as is_told_again,
      -- of one issue in several messages that were given up, the last
      n.state = 'sent' or n.id = first_value(n.id) over (
        partition by n.state, n.target_id, i.issue_id, i.resolved order by n.decided_at desc, n.id desc) as counts
    from notification n
    join notified_issue i on i.notification_id = n.id
    join issue on issue.id = i.issue_id
    join rule r on r.id = issue.rule_id
    where check_stretch(started_at, stopped_at, at)
      and n.state in ('sent', 'dead')
      and n.ended_at >= started_at
      and n.ended_at < stopped_at
      and n.replay_of is null
      and (preview_replay.target is null or n.target_id = target_id(preview_replay.target))
      and (preview_replay.org_id is null or n.org_id = preview_replay.org_id)
      and (preview_replay.cluster is null or n.cluster = lower(preview_replay.cluster))
      and (preview_replay.rule is null or (
        r.rule_name = rule_name(preview_replay.rule)
        and r.error_key = coalesce(nullif(split_part(preview_replay.rule, '|', 2), ''), r.error_key)))
      and not i.left_out
      and case n.state when 'sent' then i.live else not told_otherwise(i) end
  )
  select o.id, t.name, o.org_id, o.cluster, o.state, o.ended_at, array_agg(o.issue_id order by o.issue_id)
  from told o
  join event_targets t on t.id = o.target_id
  where o.counts
    and (preview_replay.again or not o.is_told_again and not exists (
      select from notification r
      join notified_issue i on i.notification_id = r.id and i.issue_id = o.issue_id
      where r.replay_of = o.id
        and (r.state = 'pending' or (r.state = 'sent' and r.decided_at > at - interval '1 day'))))
  group by o.id, t.name, o.org_id, o.cluster, o.state, o.ended_at
  order by o.ended_at, o.id;
$$;

comment on function preview_replay(timestamptz, timestamptz, text, bigint, text, text, boolean, timestamptz) is
  'The messages that ended (sent or given up) in this stretch of time and that replay() would send again, with the issues they would tell; target, organization, cluster and rule (any spelling) narrow it down.';
--! EndIncluded deliver/preview_replay.sql
--! Included deliver/replay.sql
-- A replay repeats, it does not tell anew: its rows of the ledger are void from the beginning of time, so that no cooldown, no
-- spacing and no decision sees them. What it repeats of a message that had been given up counts as told from now on, as if
-- that message had been redriven.
create or replace function replay(
  started_at timestamptz, stopped_at timestamptz, target text default null, org_id bigint default null,
  cluster text default null, rule text default null, again boolean default false, at timestamptz default null
) returns table (target_name text, messages integer, issues integer, clusters integer)
language plpgsql volatile
set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
  replayed bigint[];
begin
  perform lock_replays();
  at := coalesce(at, clock_timestamp());

  with original as materialized (
    select nextval(pg_get_serial_sequence('notification', 'id')) as id, p.notification_id, p.issue_ids
    from preview_replay(started_at, stopped_at, target, org_id, cluster, rule, again, at) p
  ), repeated as (
    insert into notification
      (id, target_id, org_id, account_number, cluster, updated_at, decided_at, next_attempt_at, resolved, replay_of)
    select o.id, n.target_id, n.org_id, n.account_number, n.cluster, n.updated_at, at, at, n.resolved, n.id
    from original o
    join notification n on n.id = o.notification_id
  ), ledger as (
    insert into notified_issue
      (notification_id, issue_id, target_id, told_at, cooldown_period, occurrence, content_id, policy_id, resolved, voided,
        superseded_at)
    select o.id, i.issue_id, i.target_id, at, tstzrange(at, at, '[]'), i.occurrence, i.content_id, i.policy_id, i.resolved,
      '{(,)}', '-infinity'
    from original o
    join notified_issue i on i.notification_id = o.notification_id and i.issue_id = any (o.issue_ids)
  ), told_after_all as (
    update notified_issue i
    set voided = i.voided - tstzmultirange(tstzrange(at, null))
    from original o
    join notification n on n.id = o.notification_id and n.state = 'dead'
    where i.notification_id = o.notification_id and i.issue_id = any (o.issue_ids) and not i.live
  )
  select array_agg(o.id) into replayed from original o;

  return query
  select t.name, count(distinct n.id)::integer, count(*)::integer, count(distinct (n.org_id, n.cluster))::integer
  from notification n
  join event_targets t on t.id = n.target_id
  join notified_issue i on i.notification_id = n.id
  where n.id = any (replayed)
  group by t.id
  order by t.id;

  perform wake_delivery(t.name)
  from event_targets t
  where t.id in (select n.target_id from notification n where n.id = any (replayed));
exception
  when exclusion_violation or unique_violation or deadlock_detected then
    raise exception 'an issue was told while it was to be replayed; nothing was replayed, try again'
      using errcode = 'invalid_parameter_value';
end $$;

comment on function replay(timestamptz, timestamptz, text, bigint, text, text, boolean, timestamptz) is
  'Sends again what ended (sent or given up) in this stretch of time, under new ids (notification.replay_of); see preview_replay(). again: also what was replayed already. Returns how much goes to each target.';
--! EndIncluded deliver/replay.sql
--! Included issues/drift.sql
-- The proof of the incremental state: what is open must be what the newest stored report of each cluster has, and the history
-- must agree with what is open, and each telling must say when the next one was. Reads every newest report and the ledger: for
-- a check, not for a dashboard.
create or replace view drift with (security_invoker = true) as
with newest as materialized (
  select k.org_id, k.cluster, r.updated_at, readable_report(r.report) as report
  from (
    select l.org_id, l.cluster from latest_report l
    union
    select n.org_id, n.cluster from new_reports n
  ) k
  cross join lateral (
    select n.updated_at, n.report
    from new_reports n
    where n.org_id = k.org_id and n.cluster = k.cluster and pg_input_is_valid(n.report, 'jsonb')
    order by n.updated_at desc
    limit 1
  ) r
  -- the newest one was readable when it came; what somebody made of it later is no report
  where not exists (
    select from latest_report l
    join new_reports n on n.org_id = l.org_id and n.cluster = l.cluster and n.updated_at = l.updated_at
    where l.org_id = k.org_id and l.cluster = k.cluster and not pg_input_is_valid(n.report, 'jsonb'))
), hit as materialized (
  select n.org_id, n.cluster, h.component, h.error_key
  from newest n
  cross join lateral report_hits(n.report) h
), open_issue as materialized (
  select i.org_id, i.cluster, r.component, r.error_key
  from issue i
  join rule r on r.id = i.rule_id
  where i.closed_at is null
)
select 'newest report' as what, n.org_id, n.cluster, null::text as component, null::text as error_key,
  format('the newest report is of %s, latest_report says %s', n.updated_at, coalesce(l.updated_at::text, 'nothing')) as detail
from newest n
left join latest_report l on l.org_id = n.org_id and l.cluster = n.cluster
where l.updated_at is distinct from n.updated_at
union all
select 'missing issue', h.org_id, h.cluster, h.component, h.error_key, 'the newest report has it, issue does not'
from hit h
left join open_issue o using (org_id, cluster, component, error_key)
where o.cluster is null
union all
select 'surplus issue', o.org_id, o.cluster, o.component, o.error_key, 'issue has it open, the newest report does not have it'
from open_issue o
left join hit h using (org_id, cluster, component, error_key)
where h.cluster is null
  and exists (select from newest n where n.org_id = o.org_id and n.cluster = o.cluster)
union all
select 'history', i.org_id, i.cluster, r.component, r.error_key,
  format('issue is at occurrence %s (closed %s), its history at %s (closed %s)',
    i.occurrence, coalesce(i.closed_at::text, 'not'), coalesce(o.occurrence::text, 'none'), coalesce(o.closed_at::text, 'not'))
from issue i
join rule r on r.id = i.rule_id
left join lateral (
  select o.occurrence, o.opened_at, o.closed_at
  from occurrence o
  where o.issue_id = i.id
  order by o.occurrence desc
  limit 1
) o on true
where (i.occurrence, i.opened_at, i.closed_at) is distinct from (o.occurrence, o.opened_at, o.closed_at)
union all
select 'history', i.org_id, i.cluster, r.component, r.error_key,
  format('occurrence %s had not ended when occurrence %s began', o.occurrence, o.occurrence + 1)
from occurrence o
join issue i on i.id = o.issue_id
join rule r on r.id = i.rule_id
left join occurrence next on next.issue_id = o.issue_id and next.occurrence = o.occurrence + 1
where o.occurrence < i.occurrence
  and (o.known_until <= next.known_from) is not true
union all
select 'telling', i.org_id, i.cluster, r.component, r.error_key,
  format('the one at %s says that the next is at %s; the ledger has it at %s', t.told_at, t.superseded_at, t.told_again_at)
from (
  select n.issue_id, n.told_at, n.superseded_at,
    -- a replay is no telling
    case when lower_inf(n.voided) then '-infinity'
      else lead(n.told_at, 1, 'infinity') over (
        partition by n.issue_id, n.target_id, lower_inf(n.voided) order by n.told_at, n.notification_id)
    end as told_again_at
  from notified_issue n
  where not n.resolved
) t
join issue i on i.id = t.issue_id
join rule r on r.id = i.rule_id
where t.superseded_at <> t.told_again_at;

comment on view drift is 'Where what is kept up to date (issues as reports arrive, the ledger as they are told) differs from what is recomputed from the stored reports and tellings; empty unless something is wrong.';
comment on column drift.what is 'newest report, missing issue, surplus issue, history, or telling';
comment on column drift.org_id is 'organization that owns the cluster';
comment on column drift.cluster is 'the cluster';
comment on column drift.component is 'the rule, as reports spell it';
comment on column drift.error_key is 'which of the rule''s problems';
comment on column drift.detail is 'what differs';
--! EndIncluded issues/drift.sql
--! Included ops/heartbeat.sql
-- graphile-worker frees the jobs of a killed process after four hours. Here every worker says every 15 seconds that it
-- lives, and frees the jobs of those that have been silent for 90: within two minutes of a kill, while any worker runs.
--
-- Who frees has to have been heard without a break for those 90 seconds itself. After an outage of the database all have
-- been silent; then none of them is taken for dead before all had time to come back. A worker that stood still and lives
-- on all the same has lost its locks: a job may run twice at once, which is safe (rows are claimed with leases and row
-- locks, a job is only a wake-up), or a wake-up may go with its job, which the sweep makes good within a minute.
create or replace function heartbeat(
  pool_id text, host text, pid integer, roles text[], version text, at timestamptz default now()
) returns text[]
language sql volatile
set search_path = public, pg_temp
as $$
  with me as (
    insert into worker as w (pool_id, host, pid, roles, version, started_at, unbroken_since, seen_at)
    values (
      heartbeat.pool_id, heartbeat.host, heartbeat.pid, heartbeat.roles, heartbeat.version,
      heartbeat.at, heartbeat.at, heartbeat.at)
    on conflict (pool_id) do update
    set seen_at = excluded.seen_at,
        unbroken_since = case
          when excluded.seen_at > w.seen_at + interval '45 seconds' then excluded.seen_at
          else w.unbroken_since end
    returning w.unbroken_since
  ), gone as (
    delete from worker w
    using me
    where me.unbroken_since <= heartbeat.at - interval '90 seconds'
      and w.seen_at < heartbeat.at - interval '90 seconds'
  ), locked as (
    -- also what a pool of which we never heard holds: it died at once, or is of a version that does not say that it lives
    select distinct j.locked_by as pool_id
    from graphile_worker.jobs j
    cross join me
    where me.unbroken_since <= heartbeat.at - interval '90 seconds'
      and j.locked_at < heartbeat.at - interval '90 seconds'
      and not exists (
        select from worker w
        where w.pool_id = j.locked_by and w.seen_at >= heartbeat.at - interval '90 seconds')
  ), silent as (
    select coalesce(array_agg(l.pool_id order by l.pool_id), '{}') as pool_ids from locked l
  )
  select s.pool_ids
  from silent s
  cross join lateral graphile_worker.force_unlock_workers(s.pool_ids);
$$;

comment on function heartbeat(text, text, integer, text[], text, timestamptz) is
  'A worker says that it lives. Frees the jobs of workers that have been silent for 90 seconds and returns the ids of their pools.';
--! EndIncluded ops/heartbeat.sql
--! Included ops/sweep.sql
-- Runs every minute: whatever a lost wake-up left is picked up, what only waited for time to pass is asked again, messages
-- too old to be tried again are given up, and tomorrow has its partitions.
create or replace function sweep(at timestamptz default now()) returns table (cooldowns_ended integer, woken text[])
language plpgsql volatile
set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
  swept_until timestamptz;
  target text;
begin
  perform ensure_partitions(sweep.at);
  perform give_up_expired(sweep.at);
  -- graphile-worker leaves a dead row when a task fails while the next wake-up for it is queued; we wake tasks anyway
  perform graphile_worker.complete_jobs(array(
    select j.id from graphile_worker.jobs j where j.attempts >= j.max_attempts and j.locked_at is null));

  select m.cooldowns_until into swept_until from sweep_mark m for update;
  -- what ends by itself: cooldowns, spacing, damping, the wait after a failed rendering
  insert into decision_due (org_id, cluster)
  select distinct e.org_id, e.cluster
  from (
    select i.org_id, i.cluster
    from notified_issue n
    join issue i on i.id = n.issue_id
    where n.live
      and not n.resolved
      and upper(n.cooldown_period) > swept_until
      and upper(n.cooldown_period) <= sweep.at
      -- without a cooldown it is told with every report, not with every sweep
      and upper(n.cooldown_period) > lower(n.cooldown_period)
      and i.closed_at is null
    union all
    select n.org_id, n.cluster
    from notification n
    join policy p on p.target_id = n.target_id and p.validity @> sweep.at and p.spacing > interval '0'
      and (p.org_id is null or p.org_id = n.org_id)
    where n.replay_of is null
      and cooldown_end(n.decided_at, p.spacing) > swept_until
      and cooldown_end(n.decided_at, p.spacing) <= sweep.at
    union all
    select i.org_id, i.cluster
    from occurrence o
    join issue i on i.id = o.issue_id
    join policy p on p.validity @> sweep.at and p.flapping_action = 'damp' and (p.org_id is null or p.org_id = i.org_id)
    where cooldown_end(o.known_from, p.flapping_window) > swept_until
      and cooldown_end(o.known_from, p.flapping_window) <= sweep.at
      and i.occurrence >= o.occurrence + p.flapping_occurrences - 1
    union all
    select i.org_id, i.cluster
    from render_failure f
    join issue i on i.id = f.issue_id
    where upper(f.held_period) > swept_until
      and upper(f.held_period) <= sweep.at
  ) e
  join latest_report l on l.org_id = e.org_id and l.cluster = e.cluster
  where is_recent(l.updated_at, sweep.at)
  order by e.org_id, e.cluster
  on conflict (org_id, cluster) do update set due_at = decision_due.due_at;
  get diagnostics cooldowns_ended = row_count;
  perform request_decisions('silence ended', silence_id => s.id, at => sweep.at)
  from silence s
  where upper(s.in_force) > swept_until and upper(s.in_force) <= sweep.at;
  update sweep_mark set cooldowns_until = greatest(cooldowns_until, sweep.at);

  woken := '{}';
  if exists (select from decision_due) or exists (select from decision_request r where r.due_at <= sweep.at) then
    perform wake_decide();
    woken := woken || 'decide'::text;
  end if;
  for target in
    select t.name
    from event_targets t
    where next_delivery_at(t.id) <= sweep.at
    order by t.id
  loop
    perform wake_delivery(target);
    woken := woken || target;
  end loop;
  return next;
end $$;

comment on function sweep(timestamptz) is
  'Asks again for issues whose cooldown, spacing, damping, silence or wait after a failed rendering ended since the last sweep (clusters that reported within a day), wakes tasks that have work waiting, and makes partitions ahead.';
--! EndIncluded ops/sweep.sql
--! EndIncluded index.sql

-- what others have replaced
drop function verdict_before(integer, timestamptz, text[], jsonb);
drop function policies_at(integer, timestamptz, jsonb);
drop function filter_passes(policy, rule_content);
drop function hold_reasons(integer, timestamptz, timestamptz, bigint, bigint, bigint, text, text, text, text[], text[], interval, interval, text[], text[], smallint, interval, text, integer, boolean, timestamptz, timestamptz);
drop function last_told_at(bigint, integer, timestamptz);
drop function last_message_at(bigint, text, integer, timestamptz);
