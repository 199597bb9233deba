--! Previous: -
--! Hash: sha1:633d5ebfdbdd482e82c444baf96a8a59daed2522
--! Message: first release

-- The tables of the first release. Functions, views and triggers come from sql/ (see the end of this file).
create extension if not exists btree_gist;

--! Included content/rule_name.sql
-- The four spellings in use: the wire's `a.b.x.report`, the content's `a.b.x`, the bare `x`, and `x|KEY`
-- (or `a.b.x.report|KEY`). All of them name the rule `x`.
create or replace function rule_name(spelling text) returns text
language sql immutable strict parallel safe
return split_part(regexp_replace(split_part(spelling, '|', 1), '\.(report|recommendation)$', ''), '.', -1);

comment on function rule_name(text) is
  'The bare name of a rule, from any of its spellings (x.report, a.b.x, x, x|KEY). Rule content and disabled rules are matched by it.';
--! EndIncluded content/rule_name.sql

-- Look-up tables: names, ids and texts are those that the existing dashboards and queries know ---------------------

create table states (
  id integer primary key,
  value text not null unique,
  comment text
);
comment on table states is 'states for each row stored in reported table';
comment on column states.id is 'number used in reported.state';
comment on column states.value is 'name of the state: sent, same, lower, error';
comment on column states.comment is 'what the state means';
insert into states (id, value, comment) values
  (1, 'sent', 'notification has been sent to user'),
  (2, 'same', 'skipped, report is the same as previous one'),
  (3, 'lower', 'skipped, all issues has low priority'),
  (4, 'error', 'notification delivery error');

create table notification_types (
  id integer primary key,
  value text not null unique,
  frequency text not null,
  comment text
);
comment on table notification_types is 'list of all notification types used by Notification service';
comment on column notification_types.id is 'number used in reported.notification_type';
comment on column notification_types.value is 'name of the type; everything here is instant';
comment on column notification_types.frequency is 'how often, in cron form, as the existing tools expect it';
comment on column notification_types.comment is 'what the type means';
insert into notification_types (id, value, frequency, comment) values
  (1, 'instant', '* * * * * *', 'instant notifications performed ASAP'),
  (2, 'weekly', '@weekly', 'weekly summary');

create table event_targets (
  id integer primary key,
  name text not null unique,
  metainfo text not null unique
);
comment on table event_targets is 'specification of all event targets currently supported';
comment on column event_targets.id is 'number used in reported.event_type_id and as target_id elsewhere';
comment on column event_targets.name is 'name of the target; its delivery task is deliver_<name with underscores>';
comment on column event_targets.metainfo is 'what the target is';
insert into event_targets (id, name, metainfo) values
  (1, 'notifications backend', 'the target of the report is the ccx notification service back end'),
  (2, 'service log', 'the target of the report is the ServiceLog');

-- Reports, as they come in ---------------------------------------------------------------------------------------

create table new_reports (
  org_id bigint not null,
  account_number bigint not null default 0,
  cluster text collate "C" not null,
  report text not null,
  updated_at timestamptz not null,
  kafka_offset bigint not null default 0,
  received_at timestamptz not null default now(),
  primary key (org_id, cluster, updated_at)
) partition by range (updated_at);
comment on table new_reports is 'new reports consumed from Kafka topic and stored to database in shrunk format';
comment on column new_reports.org_id is 'organization that owns the cluster (OrgID)';
comment on column new_reports.account_number is 'AccountNumber of the message, 0 where the producer left it out';
comment on column new_reports.cluster is 'cluster the report is about (ClusterName)';
comment on column new_reports.report is 'the report without system, fingerprints, skips, info, pass and analysis_metadata; text because other programs write it too, not always JSON';
comment on column new_reports.updated_at is 'the report''s own time (LastChecked), so that a redelivered message meets its own row';
comment on column new_reports.kafka_offset is 'offset of the message in its partition';
comment on column new_reports.received_at is 'when the content now stored arrived here';

create table new_reports_default partition of new_reports default;
comment on table new_reports_default is 'reports of days that have no partition: older than what ensure_partition() makes room for';

create table read_errors (
  error_id bigint generated always as identity primary key,
  org_id bigint not null,
  cluster text collate "C" not null,
  updated_at timestamptz not null,
  error_text text not null check (length(error_text) <= 1000),
  created_at timestamptz not null default now()
);
create index read_errors_report_idx on read_errors (org_id, cluster, updated_at);
comment on table read_errors is 'errors that are detected during new reports collection';
comment on column read_errors.error_id is 'number of the error';
comment on column read_errors.org_id is 'organization of the report';
comment on column read_errors.cluster is 'cluster of the report';
comment on column read_errors.updated_at is 'time of the report: the row of new_reports that could not be read (no foreign key, so that a day of reports can be dropped at once)';
comment on column read_errors.error_text is 'why the report could not be read';
comment on column read_errors.created_at is 'when that was noticed';

create table consumer_offset (
  topic text not null,
  partition integer not null,
  next_offset bigint not null,
  updated_at timestamptz not null default now(),
  primary key (topic, partition)
) with (fillfactor = 50);
comment on table consumer_offset is 'how far each partition has been consumed; moves in the transaction that stores the messages, so Kafka''s own offset never leads it';
comment on column consumer_offset.topic is 'Kafka topic';
comment on column consumer_offset.partition is 'partition of the topic';
comment on column consumer_offset.next_offset is 'first offset that is not stored yet; its row lock keeps a zombie consumer out';
comment on column consumer_offset.updated_at is 'when it last moved';

create table rejected_message (
  topic text not null,
  partition integer not null,
  kafka_offset bigint not null,
  reason text not null check (reason in (
    'tombstone', 'empty', 'too_large', 'bad_compression', 'invalid_utf8', 'nul_character', 'invalid_surrogate',
    'too_deep', 'invalid_number', 'not_json', 'not_object', 'missing_org_id', 'invalid_org_id',
    'invalid_account_number', 'missing_cluster_name', 'invalid_cluster_name', 'missing_report', 'invalid_report',
    'missing_last_checked', 'invalid_last_checked', 'future_last_checked', 'invalid_version', 'not_storable')),
  detail text not null,
  key bytea,
  value bytea,
  headers jsonb not null default '{}',
  received_at timestamptz not null default now(),
  primary key (topic, partition, kafka_offset)
);
comment on table rejected_message is 'messages that do not conform, with everything needed to look at them and to try them again';
comment on column rejected_message.topic is 'Kafka topic';
comment on column rejected_message.partition is 'partition of the topic';
comment on column rejected_message.kafka_offset is 'offset of the message in its partition';
comment on column rejected_message.reason is 'why, from a fixed vocabulary (docs/ingest.md)';
comment on column rejected_message.detail is 'why, as a sentence that names the field';
comment on column rejected_message.key is 'raw bytes of the message key';
comment on column rejected_message.value is 'raw bytes of the message as received; null for a tombstone';
comment on column rejected_message.headers is 'Kafka headers, values in base64';
comment on column rejected_message.received_at is 'when it arrived';

-- Issues: what is wrong with each cluster now ----------------------------------------------------------------------

create table latest_report (
  org_id bigint not null,
  cluster text collate "C" not null,
  updated_at timestamptz not null,
  previous_at timestamptz,
  account_number bigint not null default 0,
  received_at timestamptz not null,
  -- cluster first: people ask for a cluster without knowing its organization
  primary key (cluster, org_id)
) with (fillfactor = 80);
comment on table latest_report is 'the newest readable report of each cluster; an older one that arrives late does not change it';
comment on column latest_report.org_id is 'organization that owns the cluster';
comment on column latest_report.cluster is 'the cluster';
comment on column latest_report.updated_at is 'time of its newest report';
comment on column latest_report.previous_at is 'time of the newest report known before that one arrived';
comment on column latest_report.account_number is 'account number in the newest report';
comment on column latest_report.received_at is 'when the newest report arrived';

create table rule (
  id integer generated always as identity primary key,
  component text not null check (length(component) between 1 and 255),
  error_key text not null check (length(error_key) between 1 and 255),
  rule_name text not null generated always as (rule_name(component)) stored,
  unique (component, error_key)
);
create index rule_name_idx on rule (rule_name, error_key);
comment on table rule is 'every rule and error key that any report has named';
comment on column rule.id is 'number used in issue.rule_id';
comment on column rule.component is 'the rule as reports spell it, for example ccx_rules_ocp.external.rules.x.report';
comment on column rule.error_key is 'which of the rule''s problems';
comment on column rule.rule_name is 'bare name of the rule, by which its content is found';

create table issue (
  id bigint generated always as identity primary key,
  org_id bigint not null,
  cluster text collate "C" not null,
  rule_id integer not null references rule on delete restrict,
  first_seen timestamptz not null,
  opened_at timestamptz not null,
  closed_at timestamptz,
  occurrence integer not null default 1 check (occurrence >= 1),
  unique (cluster, org_id, rule_id)
) with (fillfactor = 90);
comment on table issue is 'one row for each problem (rule and error key) that a cluster has or had; kept up to date as reports arrive';
comment on column issue.id is 'number of the issue; it keeps it when it goes and comes back';
comment on column issue.org_id is 'organization that owns the cluster';
comment on column issue.cluster is 'the cluster';
comment on column issue.rule_id is 'which problem: rule and error key';
comment on column issue.first_seen is 'time of the first report that had it';
comment on column issue.opened_at is 'time of the report with which its present occurrence began';
comment on column issue.closed_at is 'time of the first report without it; null while it is open';
comment on column issue.occurrence is 'how many times it has appeared: 1 = new, more = gone and back';

-- What a rule says -------------------------------------------------------------------------------------------------

create table rule_content (
  id bigint generated always as identity primary key,
  rule_name text not null,
  error_key text not null,
  python_module text not null,
  description text not null,
  generic text not null default '',
  summary text not null default '',
  reason text not null default '',
  resolution text not null default '',
  more_info text not null default '',
  impact smallint not null check (impact between 1 and 4),
  likelihood smallint not null check (likelihood between 1 and 4),
  total_risk smallint not null generated always as ((impact + likelihood) / 2) stored,
  status text not null default 'active' check (status in ('active', 'inactive')),
  publish_date timestamptz,
  tags text[] not null default '{}',
  validity tstzrange not null check (not isempty(validity)),
  exclude using gist (rule_name with =, error_key with =, validity with &&)
);
comment on table rule_content is 'what a rule says about an error key: risk, tags, texts; a change is a new version, the old one keeps its time';
comment on column rule_content.id is 'number of this version';
comment on column rule_content.rule_name is 'bare name of the rule (folder name of the content)';
comment on column rule_content.error_key is 'which of the rule''s problems';
comment on column rule_content.python_module is 'full dotted name of the rule';
comment on column rule_content.description is 'the problem in one line';
comment on column rule_content.generic is 'the problem for readers without a cluster at hand';
comment on column rule_content.summary is 'what it is about, short';
comment on column rule_content.reason is 'why this cluster is affected';
comment on column rule_content.resolution is 'what to do about it';
comment on column rule_content.more_info is 'where to read on';
comment on column rule_content.impact is 'how bad it is: 1 to 4';
comment on column rule_content.likelihood is 'how likely it is to strike: 1 to 4';
comment on column rule_content.total_risk is '(impact + likelihood) / 2, rounded down: 1 low, 2 moderate, 3 important, 4 critical';
comment on column rule_content.status is 'active, or inactive: not to be told';
comment on column rule_content.publish_date is 'when the rule was published';
comment on column rule_content.tags is 'what the rule is about, for required_tags of a policy';
comment on column rule_content.validity is 'when this version was the one in force; open-ended for the present one';

-- Who is told what -------------------------------------------------------------------------------------------------

create table policy (
  id bigint generated always as identity primary key,
  target_id integer not null references event_targets on delete restrict,
  enabled boolean not null default true,
  total_risk_threshold smallint not null default 0 check (total_risk_threshold between 0 and 4),
  required_tags text[] not null default '{}' check (array_position(required_tags, null) is null),
  cooldown interval not null check (cooldown between interval '0' and interval '100 years'),
  max_events integer not null default 100 check (max_events between 1 and 1000),
  validity tstzrange not null check (not isempty(validity)),
  changed_by text not null default session_user,
  reason text not null check (length(btrim(reason)) >= 5),
  exclude using gist (target_id with =, validity with &&)
);
comment on table policy is 'who is told what, per target; a change is a new version (set_policy), the old one keeps its time';
comment on column policy.id is 'number of this version';
comment on column policy.target_id is 'the target it is for';
comment on column policy.enabled is 'false: nothing goes to this target';
comment on column policy.total_risk_threshold is 'least total risk that is told';
comment on column policy.required_tags is 'tags that a rule must all have to be told';
comment on column policy.cooldown is 'how long an issue that was told is not told again; 0 tells with every report';
comment on column policy.max_events is 'most issues in one message; the rest goes into further messages';
comment on column policy.validity is 'when this version was the one in force; open-ended for the present one';
comment on column policy.changed_by is 'database user who made the change';
comment on column policy.reason is 'why it was made';
insert into policy (target_id, enabled, total_risk_threshold, required_tags, cooldown, max_events, validity, reason) values
  (1, true, 2, '{}', '7 days', 100, '[-infinity,)', 'default policy'),
  (2, false, 0, '{osd_customer}', '7 days', 1, '[-infinity,)', 'default policy; switch it on where Service Log is configured');

create table decision_due (
  org_id bigint not null,
  cluster text collate "C" not null,
  due_at timestamptz not null default now(),
  by_report boolean not null default false,
  primary key (cluster, org_id)
) with (fillfactor = 70);
create index decision_due_order_idx on decision_due (due_at);
comment on table decision_due is 'clusters that wait for a decision; whoever holds the row lock decides, so a cluster is never decided twice at once';
comment on column decision_due.org_id is 'organization that owns the cluster';
comment on column decision_due.cluster is 'the cluster';
comment on column decision_due.due_at is 'since when it waits';
comment on column decision_due.by_report is 'a new report arrived (its outcome is written to reported); false: asked again because something else changed';

create table notification (
  id bigint generated by default as identity primary key,
  message_id uuid not null default gen_random_uuid() unique,
  target_id integer not null references event_targets on delete restrict,
  org_id bigint not null,
  account_number bigint not null,
  cluster text collate "C" not null,
  updated_at timestamptz not null,
  decided_at timestamptz not null,
  policy_id bigint not null references policy on delete restrict,
  state text not null default 'pending' check (state in ('pending', 'sent', 'dead')),
  attempts integer not null default 0,
  next_attempt_at timestamptz not null,
  ended_at timestamptz,
  failure text check (failure in
    ('schema', 'auth', 'rate_limited', 'client', 'server', 'timeout', 'network', 'broker', 'template')),
  last_error text,
  result jsonb,
  check ((state = 'pending') = (ended_at is null))
) with (fillfactor = 70);
create index notification_due_idx on notification (target_id, next_attempt_at, id) where state = 'pending';
create index notification_cluster_idx on notification (cluster, org_id, decided_at);
comment on table notification is 'the outbox: one row for each message to send; stays when it is sent, as the record of it';
comment on column notification.id is 'number of the message';
comment on column notification.message_id is 'id the receiver sees, the same on every try, so that it can drop a repeated one';
comment on column notification.target_id is 'where it goes';
comment on column notification.org_id is 'organization that is told';
comment on column notification.account_number is 'account number of that organization, 0 when unknown';
comment on column notification.cluster is 'cluster it is about';
comment on column notification.updated_at is 'time of the report it was decided from';
comment on column notification.decided_at is 'when it was decided; the message''s own timestamp';
comment on column notification.policy_id is 'policy version in force at the decision';
comment on column notification.state is 'pending, sent, or dead (given up, with the reason in failure and last_error)';
comment on column notification.attempts is 'how many times it was handed to a worker';
comment on column notification.next_attempt_at is 'when it may be tried (again); while a worker has it, the end of its lease';
comment on column notification.ended_at is 'when it was sent or given up';
comment on column notification.failure is 'what kind of failure the last one was';
comment on column notification.last_error is 'what went wrong the last time, for people';
comment on column notification.result is 'what the receiver answered: partition and offset, or the id of the Service Log entry';

create table notified_issue (
  notification_id bigint not null references notification on delete cascade,
  issue_id bigint not null references issue on delete restrict,
  target_id integer not null references event_targets on delete restrict,
  told_at timestamptz not null,
  cooldown_period tstzrange not null,
  occurrence integer not null,
  content_id bigint not null references rule_content on delete restrict,
  live boolean not null default true,
  primary key (notification_id, issue_id),
  constraint told_once_per_cooldown
    exclude using gist (target_id with =, issue_id with =, cooldown_period with &&) where (live)
);
create index notified_issue_last_idx on notified_issue (issue_id, target_id, told_at) where live;
create index notified_issue_cooldown_end_idx on notified_issue (upper(cooldown_period)) where live;
comment on table notified_issue is 'the ledger: which issue went into which notification; two live rows for one issue and target never overlap in their cooldown';
comment on column notified_issue.notification_id is 'the message';
comment on column notified_issue.issue_id is 'the issue told in it';
comment on column notified_issue.target_id is 'the target it was told to';
comment on column notified_issue.told_at is 'when it was decided; a pending message counts as told';
comment on column notified_issue.cooldown_period is 'from told_at until it may be told again';
comment on column notified_issue.occurrence is 'which occurrence of the issue was told';
comment on column notified_issue.content_id is 'version of the rule''s content that was told';
comment on column notified_issue.live is 'false: the delivery was given up, so the issue does not count as told';

create table reported (
  org_id bigint not null,
  account_number bigint not null,
  cluster text collate "C" not null,
  notification_type integer not null references notification_types on delete restrict,
  state integer not null references states on delete restrict,
  report text not null,
  updated_at timestamptz not null,
  notified_at timestamptz not null,
  error_log text,
  event_type_id integer not null references event_targets on delete restrict,
  primary key (org_id, cluster, notified_at, event_type_id)
) partition by range (notified_at);
comment on table reported is 'notifications reported to user or skipped due to some conditions';
comment on column reported.org_id is 'organization that owns the cluster';
comment on column reported.account_number is 'account number, 0 when unknown';
comment on column reported.cluster is 'the cluster';
comment on column reported.notification_type is 'always 1, instant';
comment on column reported.state is '1 sent, 2 same (held back), 3 lower (nothing qualifies by policy), 4 error (delivery given up)';
comment on column reported.report is 'the report for sent and error, empty for same and lower';
comment on column reported.updated_at is 'time of the report';
comment on column reported.notified_at is 'when it was decided';
comment on column reported.error_log is 'what went wrong, empty when nothing did';
comment on column reported.event_type_id is 'the target';

create table reported_default partition of reported default;
comment on table reported_default is 'decisions of days that have no partition';

create table sweep_mark (
  only_row boolean primary key default true check (only_row),
  cooldowns_until timestamptz not null
);
comment on table sweep_mark is 'how far the sweep has come';
comment on column sweep_mark.only_row is 'keeps this table at one row';
comment on column sweep_mark.cooldowns_until is 'cooldowns that ended before this have been asked again';
insert into sweep_mark (cooldowns_until) values ('-infinity');

-- the default partitions say of their columns what the tables say
do $$
declare
  comment record;
begin
  for comment in
    select p.relname || '_default' as partition, a.attname as column_name, col_description(p.oid, a.attnum) as text
    from pg_class p
    join pg_attribute a on a.attrelid = p.oid and a.attnum > 0
    where p.oid in ('new_reports'::regclass, 'reported'::regclass)
  loop
    execute format('comment on column %I.%I is %L', comment.partition, comment.column_name, comment.text);
  end loop;
end $$;

-- lz4 is several times quicker than the default where the server was built with it
do $$
begin
  alter table new_reports alter column report set compression lz4;
  alter table new_reports_default alter column report set compression lz4;
  alter table reported alter column report set compression lz4;
  alter table reported_default alter column report set compression lz4;
exception when feature_not_supported then
  raise notice 'this server has no lz4: reports are compressed with pglz';
end $$;

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
-- A wake-up for later has a key of its own, so that it does not hold back the next one for now.
create or replace function wake_delivery(target text, wake_at timestamptz default null) returns void
language sql volatile
set search_path = public, pg_temp
as $$
  select graphile_worker.add_job(
    'deliver_' || replace(target, ' ', '_'),
    run_at := wake_at,
    job_key := case when wake_at is null then 'deliver ' else 'retry ' end || target,
    job_key_mode := case when wake_at is null then 'preserve_run_at' else 'replace' end);
$$;

comment on function wake_delivery(text, timestamptz) is
  'Queues the delivery task of a target (its name as in event_targets), for now or for later.';
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
--! Included issues/tg_new_reports__issues.sql
-- Keeps latest_report, issue and decision_due in step with new_reports, whoever inserts: once per statement, set by
-- set. A report whose hits did not change writes nothing to issue.
--
-- Several reports of one cluster in one statement are taken in the order of their own time, so an issue that goes
-- and comes back inside one batch counts as two occurrences, as if they had arrived one by one.
-- A replaced newest report (the same upload run again) counts like one more report: what is open is right, but an issue
-- that only the replaced version had, or lacked, has one occurrence more than the stored rows show.
--
-- The row lock on latest_report makes concurrent statements take turns per cluster.
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
  components text[];
  error_keys text[];
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
      row_number() over (partition by r.org_id, r.cluster order by r.updated_at)::integer as ordinal
    from readable r
    join advanced a using (org_id, cluster)
    where case tg_op when 'UPDATE' then r.updated_at = a.updated_at
                     else a.previous_at is null or r.updated_at > a.previous_at end
  )
  select array_agg(org_id), array_agg(cluster), array_agg(ordinal), array_agg(updated_at),
    array_agg(component), array_agg(error_key)
  into orgs, clusters, ordinals, times, components, error_keys
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

  with hit as materialized (
    select *
    from unnest(orgs, clusters, ordinals, times, components, error_keys)
      as f (org_id, cluster, ordinal, updated_at, component, error_key)
  ), report as materialized (
    select distinct org_id, cluster, ordinal, updated_at from hit
  ), last_report as (
    select org_id, cluster, max(ordinal) as ordinal from report group by org_id, cluster
  ), sighting as (
    -- opens: not in the report before this one
    select h.org_id, h.cluster, r.id as rule_id, i.id as issue_id, i.closed_at is null as was_open,
      h.ordinal, h.updated_at,
      h.ordinal is distinct from 1 + coalesce(
        lag(h.ordinal) over (partition by h.org_id, h.cluster, r.id order by h.ordinal),
        case when i.id is not null and i.closed_at is null then 0 end) as opens
    from hit h
    join rule r on r.component = h.component and r.error_key = h.error_key
    left join issue i on i.org_id = h.org_id and i.cluster = h.cluster and i.rule_id = r.id
  ), seen as (
    select s.org_id, s.cluster, s.rule_id, s.issue_id, s.was_open,
      count(*) filter (where s.opens)::integer as openings,
      min(s.updated_at) as first_seen,
      max(s.updated_at) filter (where s.opens) as opened_at,
      max(s.ordinal) as last_ordinal
    from sighting s
    group by s.org_id, s.cluster, s.rule_id, s.issue_id, s.was_open
  ), outcome as (
    select s.*, gone.updated_at as closed_at
    from seen s
    left join report gone
      on gone.org_id = s.org_id and gone.cluster = s.cluster and gone.ordinal = s.last_ordinal + 1
  ), added as (
    insert into issue (org_id, cluster, rule_id, first_seen, opened_at, closed_at, occurrence)
    select org_id, cluster, rule_id, first_seen, opened_at, closed_at, openings
    from outcome
    where issue_id is null
    order by org_id, cluster, rule_id
  ), reopened_or_closed as (
    update issue i
    set opened_at = coalesce(o.opened_at, i.opened_at),
        closed_at = o.closed_at,
        occurrence = i.occurrence + o.openings
    from outcome o
    where i.id = o.issue_id
      and (o.openings > 0 or o.closed_at is not null)
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
  )
  insert into decision_due as d (org_id, cluster, by_report)
  select org_id, cluster, true
  from last_report
  order by org_id, cluster
  -- an update, not "do nothing": a row that a decision holds right now may be deleted, and this one must not be lost
  on conflict (org_id, cluster) do update set by_report = true;

  perform wake_decide();
  return null;
end $$;

comment on function tg_new_reports__issues() is
  'Trigger of new_reports: keeps latest_report, issue and decision_due in step with the reports of one statement.';

create or replace trigger _100_issues_of_inserted after insert on new_reports
  referencing new table as arrived
  for each statement execute function tg_new_reports__issues();

create or replace trigger _100_issues_of_replaced after update on new_reports
  referencing new table as arrived
  for each statement execute function tg_new_reports__issues();
--! EndIncluded issues/tg_new_reports__issues.sql
--! Included ingest/ingest.sql
-- One call per Kafka batch of one partition: reports, rejected messages, issues (by trigger) and the consumer offset
-- move together or not at all.
--
-- The reports arrive as they were on the wire: PostgreSQL parses them once and keeps numbers exactly, JavaScript would
-- round the large ones.
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
  'Stores one batch of one Kafka partition: an array of {kafka_offset, org_id, account_number, cluster, updated_at, message} or {kafka_offset, reason, detail, key, value, headers} (key, value and header values in base64). Messages already stored are skipped. Raises CX001 when the topic was created anew.';
--! EndIncluded ingest/ingest.sql
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
      first_seen timestamptz,
      last_seen timestamptz,
      total_risk smallint,
      decision text,
      reasons text[],
      qualifies boolean,
      last_told_at timestamptz,
      next_eligible_at timestamptz,
      policy_id bigint,
      content_id bigint
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
comment on column decision.first_seen is 'time of the first report that had it';
comment on column decision.last_seen is 'time of the newest report that has it';
comment on column decision.total_risk is 'total risk of the rule, null without content';
comment on column decision.decision is 'notify or hold';
comment on column decision.reasons is 'every reason that holds it, empty for notify';
comment on column decision.qualifies is 'the policy lets it through; what holds it, if anything, is the cooldown';
comment on column decision.last_told_at is 'when it was last told to this target';
comment on column decision.next_eligible_at is 'when its cooldown ends; null when it was never told';
comment on column decision.policy_id is 'policy version that decided';
comment on column decision.content_id is 'content version that decided';
--! EndIncluded decide/decision.sql
--! Included decide/decide.sql
-- The only place that says notify or hold. The live path, the views and every simulation call it.
--
-- One `language sql` query without a SET clause, so that the planner takes it apart: `where cluster = …` on a view
-- above it reaches the index of issue, and a fleet gets hash joins. (With `set search_path` it would be a black box
-- that computes every cluster first; `begin atomic` binds names when it is created, which is as safe.)
create or replace function decide(target integer, at timestamptz) returns setof decision
language sql stable parallel safe
begin atomic
  select
    p.target_id,
    i.org_id,
    i.cluster,
    i.id,
    r.component,
    r.error_key,
    i.occurrence,
    i.first_seen,
    l.updated_at,
    c.total_risk,
    case when cardinality(by_policy.reasons) = 0 and not cooling.down then 'notify' else 'hold' end,
    by_policy.reasons || case when cooling.down then array['cooldown'] else '{}' end,
    cardinality(by_policy.reasons) = 0,
    told.told_at,
    cooldown_end(told.told_at, p.cooldown),
    p.id,
    c.id
  from policy p
  join issue i on i.closed_at is null
  join latest_report l on l.org_id = i.org_id and l.cluster = i.cluster
  join rule r on r.id = i.rule_id
  left join rule_content c
    on c.rule_name = r.rule_name and c.error_key = r.error_key and c.validity @> at
  left join lateral (
    select n.told_at
    from notified_issue n
    where n.issue_id = i.id and n.target_id = p.target_id and n.live and n.told_at <= at
    order by n.told_at desc
    limit 1
  ) told on true
  cross join lateral (
    select array_remove(array[
      case when not p.enabled then 'target_disabled' end,
      case when c.id is null then 'no_content' end,
      case when c.status = 'inactive' then 'inactive' end,
      case when c.total_risk < p.total_risk_threshold then 'below_threshold' end,
      case when not c.tags @> p.required_tags then 'missing_tag' end
    ], null) as reasons
  ) by_policy
  cross join lateral (
    select coalesce(cooldown_end(told.told_at, p.cooldown) > at, false) as down
  ) cooling
  where p.target_id = target
    and p.validity @> at;
end;

comment on function decide(integer, timestamptz) is
  'Notify or hold, with every reason: one row for each open issue, for this target at this time. Reads only; same inputs, same answer.';
--! EndIncluded decide/decide.sql
--! Included decide/decide_due.sql
-- Decides for the clusters that wait longest, for all targets: ledger, outbox, reported and the wake-up of the
-- delivery commit together.
--
-- Taking the rows of decision_due is a statement of its own: only a later statement's snapshot is sure to see the
-- reports that were committed before we got the row lock.
create or replace function decide_due(batch_size integer, at timestamptz default now())
returns table (clusters integer, notifications integer, told integer, held integer)
language plpgsql volatile
set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
  orgs bigint[];
  names text[];
  by_report boolean[];
  decided decision[];
  target text;
begin
  -- first, since the sweep takes the lock of it before rows of decision_due, too
  perform ensure_partition('reported', (at at time zone 'UTC')::date);
  -- set_policy() waits for us before it renews the ledger, and we for it: no row is written by the policy before
  perform from policy p where upper_inf(p.validity) for share;

  with due as (
    select d.org_id, d.cluster
    from decision_due d
    order by d.due_at
    limit batch_size
    for update skip locked
  ), taken as (
    delete from decision_due d
    using due
    where d.org_id = due.org_id and d.cluster = due.cluster
    returning d.org_id, d.cluster, d.by_report
  )
  select array_agg(t.org_id), array_agg(t.cluster), array_agg(t.by_report)
  into orgs, names, by_report
  from taken t;

  clusters := coalesce(cardinality(orgs), 0);
  notifications := 0;
  told := 0;
  held := 0;
  if clusters = 0 then
    return next;
    return;
  end if;

  select array_agg(d), count(*) filter (where d.decision = 'hold')
  into decided, held
  from event_targets t
  cross join unnest(orgs, names) as due (org_id, cluster)
  cross join lateral decide(t.id, at) d
  where d.org_id = due.org_id and d.cluster = due.cluster;

  with telling as (
    -- one message holds at most max_events issues of one cluster
    select d.target_id, d.org_id, d.cluster, d.issue_id, d.occurrence, d.content_id, d.policy_id, d.last_seen,
      p.cooldown,
      (row_number() over (
        partition by d.target_id, d.org_id, d.cluster
        order by d.total_risk desc, d.issue_id) - 1) / p.max_events as message
    from unnest(decided) d
    join policy p on p.id = d.policy_id
    where d.decision = 'notify'
  ), message as materialized (
    -- the issues travel along as arrays: joined back to their message, the planner, which expects one row of each,
    -- compared all with all (300 ms for the 2,000 issues of 1,000 clusters)
    select nextval(pg_get_serial_sequence('notification', 'id')) as id, m.*
    from (
      select t.target_id, t.org_id, t.cluster, t.message, t.policy_id, t.last_seen, t.cooldown,
        array_agg(t.issue_id) as issue_ids, array_agg(t.occurrence) as occurrences, array_agg(t.content_id) as content_ids
      from telling t
      group by t.target_id, t.org_id, t.cluster, t.message, t.policy_id, t.last_seen, t.cooldown
      order by t.target_id, t.org_id, t.cluster, t.message
    ) m
  ), sent_to_outbox as (
    insert into notification
      (id, target_id, org_id, account_number, cluster, updated_at, decided_at, policy_id, next_attempt_at)
    select m.id, m.target_id, m.org_id, l.account_number, m.cluster, m.last_seen, at, m.policy_id, at
    from message m
    join latest_report l on l.org_id = m.org_id and l.cluster = m.cluster
  ), ledger as (
    insert into notified_issue
      (notification_id, issue_id, target_id, told_at, cooldown_period, occurrence, content_id)
    -- "1 month -30 days" is not negative, yet ends before it begins in February
    select m.id, i.issue_id, m.target_id, at, tstzrange(at, greatest(cooldown_end(at, m.cooldown), at)),
      i.occurrence, i.content_id
    from message m
    cross join lateral unnest(m.issue_ids, m.occurrences, m.content_ids) as i (issue_id, occurrence, content_id)
    order by i.issue_id, m.target_id
    -- somebody else wrote to the ledger since we decided: the constraint is right
    on conflict do nothing
    returning notification_id
  )
  select count(distinct l.notification_id), count(*) into notifications, told from ledger l;

  -- a message all of whose issues the ledger refused has nothing to say
  if told < (select count(*) from unnest(decided) d where d.decision = 'notify') then
    delete from notification n
    where n.decided_at = decide_due.at
      and n.state = 'pending'
      and (n.org_id, n.cluster) in (select o, c from unnest(orgs, names) as due (o, c))
      and not exists (select from notified_issue i where i.notification_id = n.id);
  end if;

  -- Reports that nobody is told about are recorded at once, the others when their delivery has ended.
  insert into reported
    (org_id, account_number, cluster, notification_type, state, report, updated_at, notified_at, error_log, event_type_id)
  select d.org_id, l.account_number, d.cluster, 1,
    case when bool_or(d.qualifies) then 2 else 3 end,
    '', l.updated_at, at, '', d.target_id
  from unnest(decided) d
  join unnest(orgs, names, by_report) as due (org_id, cluster, by_report)
    on due.org_id = d.org_id and due.cluster = d.cluster and due.by_report
  join latest_report l on l.org_id = d.org_id and l.cluster = d.cluster
  group by d.org_id, d.cluster, d.target_id, l.account_number, l.updated_at
  having bool_and(d.decision = 'hold' and 'target_disabled' <> all (d.reasons))
  on conflict do nothing;

  perform announce('decided', jsonb_build_object(
    'clusters', clusters, 'notifications', notifications, 'told', told, 'held', held));

  -- The last statement, since the job's row stays locked until we commit.
  for target in
    select distinct t.name
    from unnest(decided) d
    join event_targets t on t.id = d.target_id
    where d.decision = 'notify'
  loop
    perform wake_delivery(target);
  end loop;
  return next;
end $$;

comment on function decide_due(integer, timestamptz) is
  'Decides for up to batch_size waiting clusters and commits ledger, outbox, reported and the wake-up job together. Returns how many clusters were taken, messages queued, issues told and issues held.';
--! EndIncluded decide/decide_due.sql
--! Included decide/decide_again.sql
-- After a change of content or policy: ask again for the clusters it may concern, as far as they still report.
-- A cluster that has been silent for longer is asked with its next report.
create or replace function decide_again(rule_names text[] default null, at timestamptz default now()) returns integer
language plpgsql volatile
set search_path = public, pg_temp
as $$
declare
  asked integer;
begin
  insert into decision_due (org_id, cluster)
  select distinct i.org_id, i.cluster
  from issue i
  join rule r on r.id = i.rule_id
  join latest_report l on l.org_id = i.org_id and l.cluster = i.cluster
  where i.closed_at is null
    and (rule_names is null or r.rule_name = any (rule_names))
    and l.updated_at > decide_again.at - interval '1 day'
  order by i.org_id, i.cluster
  on conflict (org_id, cluster) do update set due_at = decision_due.due_at;
  get diagnostics asked = row_count;
  if asked > 0 then
    perform wake_decide();
  end if;
  return asked;
end $$;

comment on function decide_again(text[], timestamptz) is
  'Puts the clusters with open issues of these rules (null: of any rule) that reported within a day up for a new decision; returns how many.';
--! EndIncluded decide/decide_again.sql
--! Included decide/explain_notification.sql
create or replace view explain_notification with (security_invoker = true) as
select
  t.name as target,
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
  d.first_seen,
  d.last_seen,
  d.issue_id,
  d.policy_id,
  d.content_id
from event_targets t
cross join lateral decide(t.id, now()) d;

comment on view explain_notification is 'Why is (or is not) somebody told: one row for each open issue and target, with every reason that holds it.';
comment on column explain_notification.target is 'the target';
comment on column explain_notification.org_id is 'organization that owns the cluster';
comment on column explain_notification.cluster is 'the cluster';
comment on column explain_notification.component is 'the rule, as reports spell it';
comment on column explain_notification.error_key is 'which of the rule''s problems';
comment on column explain_notification.decision is 'notify or hold';
comment on column explain_notification.reasons is 'every reason that holds it: target_disabled, no_content, inactive, below_threshold, missing_tag, cooldown';
comment on column explain_notification.total_risk is '1 low to 4 critical; null without content';
comment on column explain_notification.last_told_at is 'when it was last told to this target';
comment on column explain_notification.next_eligible_at is 'when its cooldown ends';
comment on column explain_notification.occurrence is '1 = new, more = gone and back';
comment on column explain_notification.first_seen is 'time of the first report that had it';
comment on column explain_notification.last_seen is 'time of the newest report that has it';
comment on column explain_notification.issue_id is 'the issue';
comment on column explain_notification.policy_id is 'policy version that decided';
comment on column explain_notification.content_id is 'content version that decided';
--! EndIncluded decide/explain_notification.sql
--! Included decide/new_issues.sql
create or replace view new_issues with (security_invoker = true) as
select target, org_id, cluster, component, error_key, total_risk, occurrence, first_seen, last_seen, last_told_at, issue_id
from explain_notification
where decision = 'notify';

comment on view new_issues is 'What would be told if the decision were made now: the open issues that nothing holds back, per target.';
comment on column new_issues.target is 'the target';
comment on column new_issues.org_id is 'organization that owns the cluster';
comment on column new_issues.cluster is 'the cluster';
comment on column new_issues.component is 'the rule, as reports spell it';
comment on column new_issues.error_key is 'which of the rule''s problems';
comment on column new_issues.total_risk is '1 low to 4 critical';
comment on column new_issues.occurrence is '1 = new, more = gone and back';
comment on column new_issues.first_seen is 'time of the first report that had it';
comment on column new_issues.last_seen is 'time of the newest report that has it';
comment on column new_issues.last_told_at is 'when it was last told to this target';
comment on column new_issues.issue_id is 'the issue';
--! EndIncluded decide/new_issues.sql
--! Included decide/renew_cooldowns.sql
-- decide() counts a cooldown from told_at by the policy in force now; the ledger's constraint and the sweep go by the
-- period written with the row. After a change of policy the newest row of each issue follows it, longer or shorter.
create or replace function renew_cooldowns(target_id integer, at timestamptz) returns integer
language plpgsql volatile
set search_path = public, pg_temp
as $$
declare
  renewed integer;
begin
  update notified_issue n
  set cooldown_period = tstzrange(n.told_at, greatest(cooldown_end(n.told_at, p.cooldown), n.told_at))
  from policy p
  where p.target_id = renew_cooldowns.target_id
    and p.validity @> renew_cooldowns.at
    and n.target_id = p.target_id
    and n.live
    and upper(n.cooldown_period) is distinct from cooldown_end(n.told_at, p.cooldown)
    and (n.cooldown_period @> renew_cooldowns.at or cooldown_end(n.told_at, p.cooldown) > renew_cooldowns.at)
    and not exists (
      select from notified_issue later
      where later.issue_id = n.issue_id and later.target_id = n.target_id and later.live
        and later.told_at > n.told_at);
  get diagnostics renewed = row_count;
  return renewed;
end $$;

comment on function renew_cooldowns(integer, timestamptz) is
  'Makes the ledger of a target follow the cooldown of its policy in force; returns how many rows changed.';
--! EndIncluded decide/renew_cooldowns.sql
--! Included decide/set_policy.sql
-- A change is an insert: the version in force ends where the new one begins, and the past keeps its answer.
create or replace function set_policy(target text, change jsonb, reason text, at timestamptz default now())
returns policy
language plpgsql volatile
set search_path = public, pg_temp
as $$
declare
  settings constant text[] := '{enabled,total_risk_threshold,required_tags,cooldown,max_events}';
  wrong text;
  present policy;
  successor policy;
begin
  -- of two changes at once the second waits here, in a statement before the one that is to see what the first made
  perform from event_targets t where t.name = set_policy.target for no key update;
  select p.* into present
  from policy p
  join event_targets t on t.id = p.target_id
  where t.name = set_policy.target and upper_inf(p.validity)
  for update of p;
  if not found then
    raise exception 'there is no target "%"; the targets are: %', set_policy.target,
      (select string_agg(name, ', ' order by id) from event_targets)
      using errcode = 'invalid_parameter_value';
  end if;
  select key into wrong from jsonb_object_keys(change) key where key <> all (settings) limit 1;
  if found then
    raise exception 'a policy has no setting "%"; the settings are: %', wrong, array_to_string(settings, ', ')
      using errcode = 'invalid_parameter_value';
  end if;
  if lower(present.validity) >= set_policy.at then
    raise exception 'the policy in force began at %, a new one has to begin later', lower(present.validity)
      using errcode = 'invalid_parameter_value';
  end if;

  update policy p set validity = tstzrange(lower(p.validity), set_policy.at) where p.id = present.id;
  successor := jsonb_populate_record(present, change);
  insert into policy (target_id, enabled, total_risk_threshold, required_tags, cooldown, max_events, validity, reason)
  values (present.target_id, successor.enabled, successor.total_risk_threshold, successor.required_tags, successor.cooldown,
    successor.max_events, tstzrange(set_policy.at, null), set_policy.reason)
  returning * into successor;
  perform renew_cooldowns(successor.target_id, set_policy.at);
  perform decide_again(at := set_policy.at);
  return successor;
end $$;

comment on function set_policy(text, jsonb, text, timestamptz) is
  'Changes the policy of a target from this time on, for example set_policy(''service log'', ''{"enabled": true}'', ''go-live''); clusters that report are asked again.';
--! EndIncluded decide/set_policy.sql
--! Included content/load_content.sql
-- The whole content at once: what changed gets a new version, what is gone ends, the rest is left alone.
create or replace function load_content(content jsonb, at timestamptz default now())
returns table (added integer, changed integer, removed integer, unchanged integer)
language plpgsql volatile
set search_path = public, pg_temp
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
    perform decide_again(rule_names, load_content.at);
  end if;
  return next;
end $$;

comment on function load_content(jsonb, timestamptz) is
  'Takes over the whole rule content (array of objects with the columns of rule_content) in one transaction: new versions for what changed, an end for what is gone; clusters concerned are asked again.';
--! EndIncluded content/load_content.sql
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

comment on function retry_horizon() is 'How long after its decision a message may be tried again.';
--! EndIncluded deliver/retry_horizon.sql
--! Included deliver/claim_notifications.sql
-- Hands out messages that are due. The lease is next_attempt_at itself: a worker that dies simply lets it pass.
-- `skip locked` lets any number of workers claim at once; ordering by due time keeps a message that fails again and
-- again from standing in front of the others.
--
-- Always a few rows found by index, whatever the statistics say: on tables that were not analyzed yet the planner read
-- all of issue once for every message (0.25 ms instead of 0.01 ms each with 3,000 issues, and growing with them).
create or replace function claim_notifications(
  target text, batch_size integer, lease interval default '2 minutes', at timestamptz default now()
) returns table (
  id bigint, message_id uuid, attempt integer, org_id bigint, account_number bigint, cluster text,
  updated_at timestamptz, decided_at timestamptz, issues jsonb
)
language sql volatile
set search_path = public, pg_temp
set enable_seqscan = off
begin atomic
  with due as (
    select n.id
    from notification n
    where n.target_id = (select t.id from event_targets t where t.name = target)
      and n.state = 'pending'
      and n.next_attempt_at <= at
      -- a try of which nobody said how it ended; too late for another one (sweep gives it up)
      and (n.attempts = 0 or n.decided_at > at - retry_horizon())
    order by n.next_attempt_at, n.id
    limit batch_size
    for update skip locked
  ), claimed as (
    update notification n
    set attempts = n.attempts + 1, next_attempt_at = at + lease
    from due
    where n.id = due.id
    returning n.id, n.message_id, n.attempts, n.org_id, n.account_number, n.cluster, n.updated_at, n.decided_at
  )
  select c.id, c.message_id, c.attempts, c.org_id, c.account_number, c.cluster, c.updated_at, c.decided_at, said.issues
  from claimed c
  cross join lateral (
    select jsonb_agg(
      jsonb_build_object(
        'component', r.component,
        'error_key', r.error_key,
        'total_risk', rc.total_risk,
        'description', rc.description,
        'reason', rc.reason)
      order by rc.total_risk desc, i.id) as issues
    from notified_issue n
    join issue i on i.id = n.issue_id
    join rule r on r.id = i.rule_id
    join rule_content rc on rc.id = n.content_id
    where n.notification_id = c.id
  ) said
  order by c.id;
end;

comment on function claim_notifications(text, integer, interval, timestamptz) is
  'Takes up to batch_size messages that are due for this target for the length of the lease, with the issues to tell.';
--! EndIncluded deliver/claim_notifications.sql
--! Included deliver/record_reported.sql
-- One row for each decision and target, however many messages it took: sent as soon as one got through, error while
-- none did. error_log names what failed.
create or replace function record_reported(notification_ids bigint[]) returns void
language sql volatile
set search_path = public, pg_temp
as $$
  insert into reported
    (org_id, account_number, cluster, notification_type, state, report, updated_at, notified_at, error_log, event_type_id)
  select n.org_id, max(n.account_number), n.cluster, 1,
    case when bool_or(n.state = 'sent') then 1 else 4 end,
    coalesce(max(r.report), ''), n.updated_at, n.decided_at,
    coalesce(string_agg(distinct n.last_error, '; ') filter (where n.state = 'dead'), ''), n.target_id
  from (
    select distinct e.org_id, e.cluster, e.decided_at, e.target_id
    from notification e
    where e.id = any (notification_ids)
  ) decision
  join notification n using (org_id, cluster, decided_at, target_id)
  left join new_reports r
    on r.org_id = n.org_id and r.cluster = n.cluster and r.updated_at = n.updated_at
  where n.state <> 'pending'
  group by n.org_id, n.cluster, n.updated_at, n.decided_at, n.target_id
  order by n.org_id, n.cluster, n.decided_at, n.target_id
  on conflict (org_id, cluster, notified_at, event_type_id) do update
  set state = excluded.state, report = excluded.report, error_log = excluded.error_log;
$$;

comment on function record_reported(bigint[]) is
  'Writes or renews the rows of reported for the decisions that these notifications (all ended) belong to.';
--! EndIncluded deliver/record_reported.sql
--! Included deliver/settle_notifications.sql
-- Records how deliveries ended. A success counts whoever reports it (the message is out); a failure only from the
-- worker that still holds the message. What cannot succeed any more is dead: then its issues do not count as told.
create or replace function settle_notifications(outcomes jsonb, at timestamptz default now())
returns table (sent integer, retried integer, dead integer)
language plpgsql volatile
set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
  ended bigint[];
  waiting bigint[];
begin
  with outcome as (
    select *
    from jsonb_to_recordset(outcomes) as o (
      id bigint, attempt integer, sent boolean, result jsonb,
      failure text, error text, permanent boolean, retry_after_ms bigint)
  ), settled as (
    select n.id, o.result, o.failure, left(o.error, 1000) as error, retry.next_attempt_at,
      case
        when o.sent then 'sent'
        when o.permanent or retry.next_attempt_at > n.decided_at + retry_horizon() then 'dead'
        else 'pending'
      end as state
    from notification n
    join outcome o on o.id = n.id
    cross join lateral (
      select at + greatest(retry_delay(n.attempts), coalesce(o.retry_after_ms, 0) * interval '1 millisecond')
        as next_attempt_at
    ) retry
    where (o.sent and n.state <> 'sent') or (n.state = 'pending' and n.attempts = o.attempt)
    order by n.id
    for update of n
  ), updated as (
    update notification n
    set state = s.state,
        ended_at = case when s.state <> 'pending' then at end,
        next_attempt_at = case when s.state = 'pending' then s.next_attempt_at else n.next_attempt_at end,
        failure = case when s.state = 'sent' then n.failure else s.failure end,
        last_error = case when s.state = 'sent' then n.last_error else s.error end,
        result = s.result
    from settled s
    where n.id = s.id
    returning n.id, n.state
  ), not_told as (
    update notified_issue i
    set live = false
    from updated u
    where i.notification_id = u.id and u.state = 'dead' and i.live
  ), told_after_all as (
    -- given up by one worker, got through by another; it may have been told again in between
    update notified_issue i
    set live = true
    from updated u
    where i.notification_id = u.id and u.state = 'sent' and not i.live
      and not exists (
        select from notified_issue other
        where other.live
          and other.target_id = i.target_id
          and other.issue_id = i.issue_id
          and other.cooldown_period && i.cooldown_period)
  )
  select count(*) filter (where state = 'sent'), count(*) filter (where state = 'pending'),
    count(*) filter (where state = 'dead'), array_agg(id) filter (where state <> 'pending'),
    array_agg(id) filter (where state = 'pending')
  into sent, retried, dead, ended, waiting
  from updated;

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
  perform wake_delivery(t.name, (
    select min(n.next_attempt_at) from notification n where n.target_id = t.id and n.state = 'pending'))
  from event_targets t
  where t.id in (select n.target_id from notification n where n.id = any (waiting));
  return next;
end $$;

comment on function settle_notifications(jsonb, timestamptz) is
  'Records outcomes of deliveries: an array of {id, attempt, sent, result} or {id, attempt, sent: false, failure, error, permanent, retry_after_ms}. Returns how many are sent, to be retried, and dead.';
--! EndIncluded deliver/settle_notifications.sql
--! Included deliver/give_up_expired.sql
-- A worker that dies between sending and settling leaves a try behind of which nobody knows how it ended. It is tried
-- again, but not for ever: settle_notifications() never hears of it, so the horizon is kept here, too.
create or replace function give_up_expired(at timestamptz default now()) returns integer
language sql volatile
set search_path = public, pg_temp
as $$
  select coalesce(sum(s.dead), 0)::integer
  from (
    select jsonb_agg(jsonb_build_object(
      'id', n.id, 'attempt', n.attempts, 'sent', false, 'permanent', true, 'failure', 'timeout',
      'error', format('given up: %s tries, and it is not known how the last one ended', n.attempts))) as outcomes
    from notification n
    where n.state = 'pending'
      and n.attempts > 0
      and n.next_attempt_at <= at
      and n.decided_at <= at - retry_horizon()
  ) expired
  cross join lateral settle_notifications(expired.outcomes, at) s
  where expired.outcomes is not null;
$$;

comment on function give_up_expired(timestamptz) is
  'Gives up messages that were tried, were never settled, and are too old to be tried again; returns how many.';
--! EndIncluded deliver/give_up_expired.sql
--! Included ops/sweep.sql
-- Runs every minute: whatever a lost wake-up left is picked up, cooldowns that ended are asked again, messages too old to
-- be tried again are given up, and tomorrow has its partitions.
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
  insert into decision_due (org_id, cluster)
  select distinct i.org_id, i.cluster
  from notified_issue n
  join issue i on i.id = n.issue_id
  join latest_report l on l.org_id = i.org_id and l.cluster = i.cluster
  where n.live
    and upper(n.cooldown_period) > swept_until
    and upper(n.cooldown_period) <= sweep.at
    and i.closed_at is null
    and l.updated_at > sweep.at - interval '1 day'
  order by i.org_id, i.cluster
  on conflict (org_id, cluster) do update set due_at = decision_due.due_at;
  get diagnostics cooldowns_ended = row_count;
  update sweep_mark set cooldowns_until = greatest(cooldowns_until, sweep.at);

  woken := '{}';
  if exists (select from decision_due) then
    perform wake_decide();
    woken := woken || 'decide'::text;
  end if;
  for target in
    select t.name
    from event_targets t
    where exists (
      select from notification n
      where n.target_id = t.id and n.state = 'pending' and n.next_attempt_at <= sweep.at)
    order by t.id
  loop
    perform wake_delivery(target);
    woken := woken || target;
  end loop;
  return next;
end $$;

comment on function sweep(timestamptz) is
  'Asks again for issues whose cooldown ended since the last sweep (clusters that reported within a day), wakes tasks that have work waiting, and makes partitions ahead.';
--! EndIncluded ops/sweep.sql
--! EndIncluded index.sql
