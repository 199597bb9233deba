--! Previous: -
--! Hash: sha1:d824d33301a81efa766cef91b37cdf40a87f8b14
--! Message: baseline

-- Tables, constraints, indexes and the rows that everything else relies on. Functions, views and triggers are code:
-- `ccx migrate` loads them, and the comments on tables and columns, from sql/ afterwards. Only the functions that
-- stored values depend on (generated columns, checks, a default) come with the tables, since replacing one leaves
-- stored values as they were.
create schema ccx;
comment on schema ccx is 'internals of ccx-notifications; what people use is in public';
-- the functions run with the rights of whoever calls them
grant usage on schema ccx to public;
create schema aggregator;
comment on schema aggregator is 'what the results aggregator''s tables are to programs that know them: views';
create schema fleet;
comment on schema fleet is 'what a fleet database reads of this cell, and the settings that it brings';
create schema if not exists extensions;
comment on schema extensions is 'extensions that ccx-notifications needs';
create extension if not exists btree_gist schema extensions;

-- What `ccx migrate` has loaded from sql/ ----------------------------------------------------------------------

create table ccx.code_object (
  name text primary key,
  identity text not null,
  file text not null,
  hash text not null,
  position integer not null
);
comment on table ccx.code_object is
  'every function, view, type and trigger that ccx migrate loaded from sql/, with the hash of its file';
comment on column ccx.code_object.name is 'kind and name, for example function public.decide';
comment on column ccx.code_object.identity is 'the same with the types of its arguments, as PostgreSQL writes it';
comment on column ccx.code_object.file is 'the file below sql/ that creates it';
comment on column ccx.code_object.hash is 'SHA-256 of its statements; what differs is loaded again';
comment on column ccx.code_object.position is 'its place in the order of loading; it uses only what comes before it';

create table ccx.code_load (
  id bigint generated always as identity primary key,
  release text not null,
  loaded_at timestamptz not null default now(),
  loaded_by text not null default session_user,
  loaded integer not null,
  dropped integer not null
);
comment on table ccx.code_load is 'every time that ccx migrate changed functions, views, types or triggers';
comment on column ccx.code_load.id is 'number of the load';
comment on column ccx.code_load.release is 'release of the program that loaded them';
comment on column ccx.code_load.loaded_at is 'when it did';
comment on column ccx.code_load.loaded_by is 'database user who did';
comment on column ccx.code_load.loaded is 'how many objects were created or replaced';
comment on column ccx.code_load.dropped is 'how many objects were dropped for good';

-- Functions that stored values depend on -----------------------------------------------------------------------

--! Included stored/rule_name.sql
-- The four spellings in use: the wire's `a.b.x.report`, the content's `a.b.x`, the bare `x`, and `x|KEY`
-- (or `a.b.x.report|KEY`). All of them name the rule `x`.
create or replace function ccx.rule_name(spelling text) returns text
language sql immutable strict parallel safe
return split_part(regexp_replace(split_part(spelling, '|', 1), '\.(report|recommendation)$', ''), '.', -1);

comment on function ccx.rule_name(text) is
  'The bare name of a rule, from any of its spellings (x.report, a.b.x, x, x|KEY). Rule content and '
  'disabled rules are matched by it.';
--! EndIncluded stored/rule_name.sql
--! Included stored/add_in_utc.sql
-- Days and months are counted in UTC: `timestamptz + interval` alone would follow the session's time zone,
-- and the same decision would come out differently for two people.
create or replace function ccx.add_in_utc(notified_at timestamptz, cooldown interval) returns timestamptz
language sql immutable strict parallel safe
return (notified_at at time zone 'UTC' + cooldown) at time zone 'UTC';

comment on function ccx.add_in_utc(timestamptz, interval) is
  'When an issue notified at notified_at may be notified again under this cooldown; days and months are '
  'counted in UTC.';
--! EndIncluded stored/add_in_utc.sql
--! Included stored/cooldown_period.sql
-- Never empty, since an empty range overlaps nothing and the ledger would let the same instant pass twice: a
-- cooldown of 0 holds the instant itself. ("1 month -30 days" is not negative, yet ends before it begins in
-- February.)
create or replace function ccx.cooldown_period(notified_at timestamptz, cooldown interval) returns tstzrange
language sql immutable strict parallel safe
return case
  when ccx.add_in_utc(notified_at, cooldown) > notified_at
    then tstzrange(notified_at, ccx.add_in_utc(notified_at, cooldown))
  else tstzrange(notified_at, notified_at, '[]')
end;

comment on function ccx.cooldown_period(timestamptz, interval) is
  'The time during which an issue notified at notified_at is not notified again, as the ledger''s '
  'constraint needs it.';
--! EndIncluded stored/cooldown_period.sql
--! Included stored/compile_filter.sql
-- Own code: filters are judged inside the decision's query, where no library of expressions runs, and their
-- language is the one of the service before us. Read from left to right once: a regular expression cuts the
-- text into tokens, operators wait on a stack until what follows binds less tightly (the shunting-yard
-- algorithm). Whatever is not understood is refused: a filter that is half understood would hold
-- notifications, or let them through, without anybody knowing.
create or replace function ccx.compile_filter(filter text) returns text[]
language plpgsql immutable strict parallel safe
set search_path = public, ccx, pg_temp
as $$
declare
  max_length constant integer := 4000;
  max_depth constant integer := 100;
  variables constant text[] := '{likelihood,impact,severity,totalRisk,likelihoodThreshold,impactThreshold,severityThreshold,totalRiskThreshold}';
  -- the higher binds the tighter; no entry for "(", so nothing takes it off the stack but its ")"
  precedence constant jsonb := '{"neg": 6, "!": 6, "*": 5, "/": 5, "%": 5, "+": 4, "-": 4, "==": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "&&": 2, "||": 1}';
  -- The longest alternative wins, so "/*" alone is a comment without an end, and the last one is what we do
  -- not know. A word that begins with a digit is one token, to be refused as a whole: 0x02, 1.5.
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
      using errcode = 'NTF01';
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
    raise exception 'the filter is empty' using errcode = 'NTF02';
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
      using errcode = 'NTF03';
  end if;
  while top > 0 loop
    compiled := compiled || waiting[top];
    top := top - 1;
  end loop;
  return compiled;
end $$;

comment on function ccx.compile_filter(text) is
  'Reads a filter expression and returns it in postfix order for evaluate_filter(); refuses what it does '
  'not understand and says where.';
--! EndIncluded stored/compile_filter.sql
--! Included stored/silence_in_force.sql
create or replace function ccx.silence_in_force(period tstzrange, created_at timestamptz,
  ended_at timestamptz) returns tstzrange
language sql immutable parallel safe
return case
  when least(upper(period), coalesce(ended_at, 'infinity')) <= greatest(lower(period), created_at)
    then 'empty'::tstzrange
  else tstzrange(greatest(lower(period), created_at), least(upper(period), coalesce(ended_at, 'infinity')))
end;

comment on function ccx.silence_in_force(tstzrange, timestamptz, timestamptz) is
  'When a silence really holds: its period, but not before it was created and not after it was ended.';
--! EndIncluded stored/silence_in_force.sql
--! Included stored/person.sql
-- A service that acts for people says who they are in the setting ccx.person. The user of the database stands
-- beside the name, since whoever has a session of his own may set what he likes.
create or replace function ccx.person() returns text
language sql stable parallel safe
return case
  when coalesce(current_setting('ccx.person', true), '') = '' then session_user::text
  else current_setting('ccx.person', true) || ' (' || session_user || ')'
end;

comment on function ccx.person() is
  'Who acts: the database user; behind the console the name of the person, with the database user in brackets.';
--! EndIncluded stored/person.sql
--! Included stored/new_message_id.sql
-- The first 48 bits are milliseconds since 1970, so that ids made one after the other lie beside each other
-- in their index: of fifteen million random ones, each new one is somewhere that is not in memory. 74 random
-- bits of each millisecond are left. The version stays 4, since notifications-backend does not know a
-- repeated id by any other.
create or replace function ccx.new_message_id() returns uuid
language sql volatile parallel safe
return encode(
  overlay(
    uuid_send(gen_random_uuid())
    placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
    from 1 for 6),
  'hex')::uuid;

comment on function ccx.new_message_id() is
  'An id for a message (notification.message_id): a UUID of version 4 that begins with the time, in '
  'milliseconds.';
--! EndIncluded stored/new_message_id.sql

-- Look-up tables: names, ids and texts are those that existing dashboards and queries know ------------------

create table states (
  id integer primary key,
  value text not null unique,
  comment text
);

create table notification_types (
  id integer primary key,
  value text not null unique,
  frequency text not null,
  comment text
);

create table event_targets (
  id integer primary key,
  name text not null unique,
  metainfo text not null unique,
  task text not null unique
);

create table severity (
  target_id integer not null references event_targets on delete cascade,
  total_risk smallint not null check (total_risk between 1 and 4),
  name text not null,
  primary key (target_id, total_risk)
);

-- Reports, as they come in ----------------------------------------------------------------------------------

create table new_reports (
  org_id bigint not null,
  account_number bigint not null default 0,
  cluster text collate "C" not null,
  report text not null,
  updated_at timestamptz not null,
  kafka_offset bigint not null default 0,
  received_at timestamptz not null default now(),
  request_id text,
  gathered_at timestamptz,
  cluster_version text,
  traceparent text,
  hits_hash bigint,
  primary key (org_id, cluster, updated_at)
) partition by range (updated_at);

create table new_reports_default partition of new_reports default;

create table read_errors (
  error_id bigint generated always as identity primary key,
  org_id bigint not null,
  cluster text collate "C" not null,
  updated_at timestamptz not null,
  error_text text not null check (length(error_text) <= 1000),
  created_at timestamptz not null default now()
);
create index read_errors_report_idx on read_errors (org_id, cluster, updated_at);

create table consumer_offset (
  topic text not null,
  partition integer not null check (partition >= 0),
  next_offset bigint not null check (next_offset >= 0),
  updated_at timestamptz not null default now(),
  high_watermark bigint,
  high_watermark_at timestamptz,
  is_behind boolean not null default false,
  stored_at timestamptz,
  primary key (topic, partition)
) with (fillfactor = 50);

create table rejected_message (
  id bigint generated always as identity primary key,
  topic text not null,
  partition integer not null,
  stream text not null default 'results' check (stream in ('results', 'workloads')),
  kafka_offset bigint not null,
  reason text not null
    check (reason in (
      'tombstone', 'empty', 'too_large', 'bad_compression', 'invalid_utf8', 'nul_character',
      'invalid_surrogate', 'too_deep', 'invalid_number', 'not_json', 'not_object', 'missing_org_id',
      'invalid_org_id', 'invalid_account_number', 'missing_cluster_name', 'invalid_cluster_name',
      'missing_report', 'invalid_report', 'missing_last_checked', 'invalid_last_checked',
      'future_last_checked', 'invalid_version', 'not_storable', 'unreadable_batch', 'timed_out')),
  detail text not null,
  key bytea,
  value bytea,
  headers jsonb not null default '{}',
  received_at timestamptz not null default now(),
  org_id bigint,
  cluster text collate "C",
  request_id text,
  attempts integer not null default 1 check (attempts > 0),
  retried_at timestamptz,
  stored_at timestamptz,
  retry_due_at timestamptz,
  dead_letter_due_at timestamptz default now(),
  dead_lettered_at timestamptz,
  dead_letter_error text
);
create index rejected_message_position on rejected_message (topic, partition, kafka_offset);
create index rejected_message_received_at on rejected_message (received_at);
create index rejected_message_org_id on rejected_message (org_id) where org_id is not null;
create index rejected_message_retry_due on rejected_message (retry_due_at)
  where retry_due_at is not null and stored_at is null;
create index rejected_message_dead_letter_due on rejected_message (dead_letter_due_at)
  where dead_letter_due_at is not null;

-- Workloads: the newest message of each cluster about them ----------------------------------------------------

create table workload_report (
  cluster text collate "C" primary key,
  org_id bigint not null,
  updated_at timestamptz not null,
  received_at timestamptz not null,
  request_id text,
  recommendations jsonb not null check (jsonb_typeof(recommendations) = 'array')
) with (fillfactor = 80);
create index workload_report_org_idx on workload_report (org_id);

create table workload_namespace (
  cluster text collate "C" not null references workload_report on delete cascade,
  namespace_id text collate "C" not null check (length(namespace_id) between 1 and 256),
  org_id bigint not null,
  name text not null,
  reported_at timestamptz not null,
  recommendations integer not null check (recommendations > 0),
  objects integer not null check (objects > 0),
  hits jsonb not null check (jsonb_typeof(hits) = 'array'),
  primary key (cluster, namespace_id)
);
create index workload_namespace_org_idx on workload_namespace (org_id);

-- Issues: what is wrong with each cluster, now and before ---------------------------------------------------

create table latest_report (
  org_id bigint not null,
  cluster text collate "C" not null,
  updated_at timestamptz not null,
  previous_at timestamptz,
  account_number bigint not null default 0,
  received_at timestamptz not null,
  left_at timestamptz,
  moved_to bigint,
  request_id text,
  gathered_at timestamptz,
  cluster_version text,
  hits_hash bigint,
  has_same_hits boolean not null default false,
  report text,
  primary key (cluster, org_id),
  constraint latest_report_check check ((left_at is null) = (moved_to is null))
) with (fillfactor = 80);
create index latest_report_org_idx on latest_report (org_id, cluster) where left_at is null;
create index latest_report_left_idx on latest_report (org_id) where left_at is not null;

create table rule (
  id integer generated always as identity primary key,
  component text not null check (length(component) between 1 and 255),
  error_key text not null check (length(error_key) between 1 and 255),
  rule_name text not null generated always as (ccx.rule_name(component)) stored,
  unique (component, error_key)
);
create index rule_name_idx on rule (rule_name, error_key);

create table issue (
  id bigint generated always as identity primary key,
  org_id bigint not null,
  first_seen timestamptz not null,
  opened_at timestamptz not null,
  closed_at timestamptz,
  rule_id integer not null references rule on delete restrict,
  occurrence integer not null default 1 check (occurrence >= 1),
  cluster text collate "C" not null,
  unique (cluster, org_id, rule_id)
) with (fillfactor = 90);
create index issue_org_idx on issue (org_id, rule_id);

create table occurrence (
  issue_id bigint not null references issue on delete cascade,
  occurrence integer not null check (occurrence >= 1),
  opened_at timestamptz not null,
  closed_at timestamptz,
  known_from timestamptz not null,
  known_until timestamptz,
  primary key (issue_id, occurrence),
  constraint occurrence_check1 check ((closed_at is null) = (known_until is null)),
  constraint occurrence_check check (known_until >= known_from)
) with (fillfactor = 90);
create index occurrence_known_from_idx on occurrence using brin (known_from);

create table renamed_rule (
  component text primary key,
  new_component text not null check (new_component <> component),
  old_name text not null generated always as (ccx.rule_name(component)) stored,
  new_name text not null generated always as (ccx.rule_name(new_component)) stored,
  renamed_at timestamptz not null default now(),
  renamed_by text not null default session_user,
  ended_at timestamptz
);
create index renamed_rule_new_idx on renamed_rule (new_component);

-- What rules say --------------------------------------------------------------------------------------------

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
  impact_name text not null default '',
  resolution_risk smallint not null default 0 check (resolution_risk between 0 and 4),
  plugin_name text not null default '',
  node_id text not null default '',
  product_code text not null default '',
  rule_texts jsonb not null default '{}',
  validity tstzrange not null check (not isempty(validity)),
  exclude using gist (rule_name with =, error_key with =, validity with &&)
);
create index rule_content_module_idx on rule_content (python_module, error_key)
  where upper_inf(validity);

create table content_refusal (
  rule_name text not null,
  error_key text,
  problems text[] not null check (cardinality(problems) > 0),
  since timestamptz not null,
  source text not null,
  unique nulls not distinct (rule_name, error_key)
);

create table content_guard (
  single boolean primary key default true check (single),
  max_share numeric not null default 0.2 check (max_share between 0 and 1),
  min_rules integer not null default 3 check (min_rules >= 1),
  min_issues integer not null default 10 check (min_issues >= 1),
  accepted_until timestamptz,
  accepted_by text,
  loaded_at timestamptz,
  is_accepted boolean not null default false,
  held_since timestamptz,
  held_reason text,
  constraint content_guard_held_check check ((held_since is null) = (held_reason is null))
);
insert into content_guard default values;

-- Who is notified of what -----------------------------------------------------------------------------------

create table policy (
  id bigint generated always as identity primary key,
  target_id integer not null references event_targets on delete restrict,
  org_id bigint check (org_id > 0),
  rule_name text check (rule_name = ccx.rule_name(rule_name) and rule_name <> ''),
  enabled boolean not null default true,
  total_risk_threshold smallint not null default 0
    check (total_risk_threshold between 0 and 4),
  likelihood_threshold smallint not null default 0
    check (likelihood_threshold between 0 and 4),
  impact_threshold smallint not null default 0 check (impact_threshold between 0 and 4),
  severity_threshold smallint not null default 0
    check (severity_threshold between 0 and 4),
  filter text,
  compiled_filter text[] generated always as (ccx.compile_filter(filter)) stored,
  required_tags text[] not null default '{}' check (array_position(required_tags, null) is null),
  allowed_clusters text[] check (array_position(allowed_clusters, null) is null),
  blocked_clusters text[] not null default '{}'
    check (array_position(blocked_clusters, null) is null),
  cooldown interval not null check (cooldown between interval '0' and interval '100 years'),
  spacing interval not null default '0'
    check (spacing between interval '0' and interval '100 years'),
  max_events integer not null default 100 check (max_events between 1 and 1000),
  decide_again_after interval not null default '5 minutes'
    check (decide_again_after between interval '0' and interval '100 years'),
  flapping_occurrences smallint not null default 4
    check (flapping_occurrences between 2 and 1000),
  flapping_window interval not null default '1 day'
    check (flapping_window between interval '1 second' and interval '100 years'),
  flapping_action text not null default 'notify' check (flapping_action in ('notify', 'damp')),
  max_report_age interval default '24 hours'
    check (max_report_age between interval '1 minute' and interval '100 years'),
  storm_share numeric default 0.05 check (storm_share > 0 and storm_share <= 1),
  storm_minimum integer not null default 1000 check (storm_minimum between 1 and 1000000000),
  storm_from timestamptz,
  doubtful_texts text not null default 'send' check (doubtful_texts in ('send', 'hold')),
  notify_resolved boolean not null default false,
  notify_resolved_since timestamptz,
  receiver_knows_resolved boolean not null default false,
  validity tstzrange not null check (not isempty(validity)),
  changed_by text not null default ccx.person(),
  reason text not null check (length(btrim(reason)) >= 5),
  ended_by text,
  end_reason text check (length(btrim(end_reason)) >= 5),
  constraint policy_notify_resolved_check check (notify_resolved = (notify_resolved_since is not null)),
  constraint policy_receiver_knows_resolved_check
    check (not notify_resolved or receiver_knows_resolved or target_id <> 1),
  constraint policy_one_in_force exclude using gist (
    target_id with =, coalesce(org_id, 0) with =, coalesce(rule_name, '') with =, validity with &&)
);

create table withdrawn_policy (
  id bigint generated always as identity primary key,
  policy jsonb not null,
  planned_by text not null,
  withdrawn_at timestamptz not null default now(),
  withdrawn_by text not null default ccx.person(),
  reason text
);

create table filter_result (
  policy_id bigint not null references policy on delete cascade,
  content_id bigint not null references rule_content on delete cascade,
  passes boolean not null,
  error text,
  primary key (policy_id, content_id)
);

-- Who asked not to be notified ------------------------------------------------------------------------------

create table silence (
  id bigint generated always as identity primary key,
  org_id bigint,
  cluster text collate "C",
  rule_name text check (rule_name = ccx.rule_name(rule_name)),
  error_key text,
  tag text,
  everything boolean not null default false,
  period tstzrange not null,
  reason text not null check (length(btrim(reason)) >= 5),
  created_by text not null default ccx.person(),
  created_at timestamptz not null default now(),
  ended_at timestamptz,
  ended_by text,
  in_force tstzrange not null generated always as (ccx.silence_in_force(period, created_at, ended_at)) stored,
  constraint silence_of_everything_is_meant
    check (everything = (num_nonnulls(org_id, cluster, rule_name, error_key, tag) = 0)),
  constraint silence_has_an_end
    check (not isempty(period) and not lower_inf(period) and not upper_inf(period)
      and upper(period) < 'infinity'),
  constraint silence_once exclude using gist (
    coalesce(org_id, 0) with =, coalesce(cluster, '') with =, coalesce(rule_name, '') with =,
    coalesce(error_key, '') with =, coalesce(tag, '') with =, in_force with &&)
);
create index silence_in_force_idx on silence using gist (in_force);
create index silence_named_idx on silence (
  coalesce(cluster, ''), coalesce(org_id, 0), coalesce(rule_name, ''), coalesce(error_key, ''),
  coalesce(tag, ''));

create table rule_disable (
  org_id text not null,
  rule_id text not null,
  error_key text not null,
  justification text,
  created_at timestamptz not null default now(),
  updated_at timestamptz,
  created_by text,
  primary key (org_id, rule_id, error_key)
);

create table cluster_rule_toggle (
  cluster_id text not null,
  rule_id text not null,
  error_key text not null default '',
  org_id text not null default '0',
  disabled smallint not null check (disabled in (0, 1)),
  disabled_at timestamptz,
  enabled_at timestamptz,
  updated_at timestamptz,
  primary key (cluster_id, rule_id, error_key)
);
create index cluster_rule_toggle_org_idx on cluster_rule_toggle (org_id) where disabled = 1;

create table acknowledgement (
  id bigint generated always as identity primary key,
  org_id bigint,
  cluster text collate "C",
  rule_name text not null,
  error_key text,
  period tstzrange not null,
  source text not null check (source in ('rule_disable', 'cluster_rule_toggle')),
  source_key text not null,
  exclude using gist (source with =, source_key with =, period with &&)
);
create index acknowledgement_org_idx on acknowledgement (rule_name, org_id) where cluster is null;
create index acknowledgement_cluster_idx on acknowledgement (rule_name, cluster) where cluster is not null;

create table acknowledged_rule (
  rule_name text not null,
  org_id bigint,
  cluster text collate "C",
  constraint acknowledged_rule_check check (num_nonnulls(org_id, cluster) = 1)
);
create unique index acknowledged_rule_org_idx on acknowledged_rule (rule_name, org_id) where cluster is null;
create unique index acknowledged_rule_cluster_idx on acknowledged_rule (rule_name, cluster)
  where org_id is null;

-- Decisions: who waits for one, and how far time has been swept ---------------------------------------------

create table decision_due (
  org_id bigint not null,
  cluster text collate "C" not null,
  due_at timestamptz not null default now(),
  by_report boolean not null default false,
  backlog_of text collate "C",
  primary key (cluster, org_id)
) with (fillfactor = 70);
create index decision_due_order_idx on decision_due (due_at);
create index decision_due_backlog_idx on decision_due (backlog_of) where backlog_of is not null;

create table stuck_cluster (
  org_id bigint not null,
  cluster text collate "C" not null,
  reason text not null,
  since timestamptz not null,
  attempts integer not null default 1 check (attempts > 0),
  next_try_at timestamptz not null,
  by_report boolean not null,
  primary key (cluster, org_id)
);
create index stuck_cluster_next_try_idx on stuck_cluster (next_try_at);

create table decision_request (
  id bigint generated always as identity primary key,
  cause text not null,
  rule_names text[],
  org_id bigint,
  cluster text collate "C",
  silence_id bigint references silence on delete cascade,
  due_at timestamptz not null,
  after_cluster text collate "C" not null default '',
  requested_by text not null default ccx.person()
);

-- unlogged: no row outlives its transaction. No sequence, since that of an unlogged table may be broken on a
-- standby that is promoted.
create unlogged table wake_up (
  transaction xid8 not null default pg_current_xact_id(),
  wished_at timestamptz not null default clock_timestamp(),
  task text not null,
  job_key text not null,
  job_key_mode text not null,
  run_at timestamptz
);
create index wake_up_transaction_idx on wake_up (transaction);

create table sweep_mark (
  only_row boolean primary key default true check (only_row),
  cooldowns_until timestamptz not null,
  reporting_clusters integer not null default 0,
  counted_at timestamptz not null default '-infinity'
);

create table busy_hour (
  hour timestamptz primary key,
  reports bigint not null,
  notified bigint not null,
  skipped bigint not null
);

-- The brake: how many clusters were notified of what, and the storms that this made out ---------------------

-- only inserted and, hours later, deleted: no decision waits for another one's count
create table notified_count (
  target_id integer not null,
  rule_name text,
  clusters integer not null,
  counted_at timestamptz not null
);
create index notified_count_counted_idx on notified_count (counted_at);

create table storm (
  id bigint generated always as identity primary key,
  target_id integer not null references event_targets on delete cascade,
  rule_name text,
  began_at timestamptz not null,
  cluster_limit integer not null,
  notified integer not null,
  ended_at timestamptz,
  released boolean,
  ended_by text,
  reason text,
  constraint storm_check check (num_nulls(ended_at, released, ended_by, reason) in (0, 4))
);
create unique index storm_once on storm (target_id, coalesce(rule_name, '')) where ended_at is null;

-- The outbox and the ledger ---------------------------------------------------------------------------------

create table notification (
  id bigint generated by default as identity primary key,
  org_id bigint not null,
  account_number bigint not null,
  updated_at timestamptz not null,
  decided_at timestamptz not null,
  next_attempt_at timestamptz not null,
  replay_of bigint references notification on delete cascade,
  first_tried_at timestamptz,
  leased_until timestamptz,
  ended_at timestamptz,
  redriven_at timestamptz,
  message_id uuid not null default ccx.new_message_id() unique,
  target_id integer not null,
  attempts integer not null default 0,
  attempts_before integer not null default 0,
  resolved boolean not null default false,
  may_be_out boolean not null default false,
  cluster text collate "C" not null,
  state text not null default 'pending',
  failure text,
  last_error text,
  result jsonb,
  traceparent text,
  constraint notification_state_check check (state in ('pending', 'sent', 'dead', 'withdrawn')),
  constraint notification_check check ((state = 'pending') = (ended_at is null)),
  constraint notification_dead_failure_check check (state <> 'dead' or failure is not null),
  constraint notification_failure_check check (failure in (
      'schema', 'auth', 'rate_limited', 'client', 'server', 'timeout', 'network', 'broker', 'template',
      'unsettled'))
) with (fillfactor = 70);
create index notification_due_idx on notification (target_id, next_attempt_at, id) where state = 'pending';
create index notification_pending_idx on notification (target_id, cluster, decided_at) where state = 'pending';
create index notification_cluster_idx on notification (cluster, org_id, decided_at);
create index notification_decided_idx on notification using brin (decided_at);
create index notification_dead_idx on notification (target_id, ended_at) where state = 'dead';
create index notification_ended_idx on notification using brin (ended_at);
create index notification_replay_idx on notification (replay_of) where replay_of is not null;

create table notified_issue (
  notification_id bigint not null references notification on delete cascade,
  issue_id bigint not null,
  content_id bigint not null,
  policy_id bigint not null,
  notified_at timestamptz not null,
  superseded_at timestamptz not null default 'infinity',
  target_id integer not null,
  occurrence integer not null,
  resolved boolean not null default false,
  live boolean not null generated always as (not upper_inf(voided)) stored,
  left_out boolean not null default false,
  cooldown_period tstzrange not null,
  voided tstzmultirange not null default '{}',
  left_out_reasons text[],
  primary key (notification_id, issue_id),
  constraint notified_issue_cooldown_check check (cooldown_period @> notified_at),
  constraint notified_once_per_cooldown exclude using gist (
    issue_id with =, target_id with =, cooldown_period with &&) where (live and not resolved)
);
create index notified_issue_cooldown_end_idx on notified_issue (upper(cooldown_period))
  where live and not resolved;
create unique index resolved_once_per_occurrence on notified_issue (issue_id, target_id, occurrence)
  where live and resolved;
create index notified_issue_notified_idx on notified_issue (issue_id, target_id, superseded_at);

create table render_failure (
  issue_id bigint not null references issue on delete cascade,
  target_id integer not null references event_targets on delete restrict,
  content_id bigint not null references rule_content on delete cascade,
  occurrence integer not null,
  failed_at timestamptz not null,
  error text not null,
  held_period tstzrange not null generated always as (ccx.cooldown_period(failed_at, interval '24 hours')) stored,
  primary key (issue_id, target_id, content_id, occurrence, failed_at),
  constraint held_once exclude using gist (
    issue_id with =, target_id with =, content_id with =, occurrence with =, held_period with &&)
);
create index render_failure_held_until_idx on render_failure (upper(held_period));

create table doubtful_text (
  content_id bigint not null references rule_content on delete cascade,
  target_id integer not null references event_targets on delete cascade,
  text_name text not null,
  place text not null,
  kind text not null,
  since timestamptz not null,
  last_at timestamptz not null,
  times bigint not null,
  example_cluster text collate "C" not null,
  example text not null,
  primary key (content_id, target_id, text_name, place, kind)
);

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
  constraint circuit_check check ((opened_at is null) = (retry_at is null)),
  constraint circuit_check1 check (opened_at is not null or probe_until is null and failed_probes = 0)
) with (fillfactor = 50);

create table reported (
  org_id bigint not null,
  account_number bigint not null,
  cluster text collate "C" not null,
  notification_type integer not null check (notification_type = 1),
  state integer not null check (state between 1 and 4),
  report text not null,
  updated_at timestamptz not null,
  notified_at timestamptz not null,
  error_log text,
  event_type_id integer not null references event_targets on delete restrict,
  primary key (org_id, cluster, notified_at, event_type_id)
) partition by range (notified_at);

-- rows come in the order of that time; a sweep counts those of the last hours
create index reported_notified_idx on reported using brin (notified_at);

create table reported_default partition of reported default;

-- Operation -------------------------------------------------------------------------------------------------

create table retention (
  parent text primary key check (parent in ('new_reports', 'reported', 'rejected_message', 'read_errors',
    'notification', 'occurrence', 'render_failure', 'worker', 'archive', 'upload_message', 'analysis',
    'kept_archive', 'latest_report', 'workload_report')),
  keep interval not null check (keep between interval '1 day' and interval '100 years'),
  changed_by text not null default ccx.person(),
  changed_at timestamptz not null default now()
);

-- no cell is larger than the whole
create table cell (
  only_row boolean primary key default true check (only_row),
  name text not null check (name ~ '^([a-z0-9][a-z0-9_-]{0,30})?$'),
  buckets int4multirange not null check (buckets <@ '{[0,256)}' and not isempty(buckets)),
  adopted_at timestamptz
);

-- no foreign key: what a fleet queued is there, not here
create table fleet.applied (
  setting_id uuid primary key,
  cell text not null,
  action text not null,
  arguments jsonb not null,
  at timestamptz not null,
  queued_by text not null,
  applied_at timestamptz not null default clock_timestamp(),
  result jsonb
);

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

-- Where the server was built with lz4, it is several times quicker than the default.
do $$
begin
  alter table new_reports alter column report set compression lz4;
  alter table new_reports_default alter column report set compression lz4;
  alter table reported alter column report set compression lz4;
  alter table reported_default alter column report set compression lz4;
  alter table latest_report alter column report set compression lz4;
  alter table workload_report alter column recommendations set compression lz4;
exception when feature_not_supported then
  raise notice 'this server has no lz4: reports are compressed with pglz';
end $$;

-- Results: the newest report of each cluster, as the results API reads it --------------------------------------

create table cluster_registry (
  cluster text collate "C" not null check (cluster = lower(cluster)),
  org_id bigint not null check (org_id > 0),
  display_name text not null check (length(display_name) between 1 and 255),
  managed boolean not null default false,
  status text not null default 'Active' check (length(status) between 1 and 64),
  changed_at timestamptz not null default now(),
  source text collate "C",
  primary key (cluster, org_id)
);
create index cluster_registry_org_idx on cluster_registry (org_id);

create table registry_source (
  source text collate "C" primary key check (length(source) between 1 and 64),
  max_share numeric not null default 0.2 check (max_share between 0 and 1),
  min_clusters integer not null default 10 check (min_clusters >= 1),
  location_hash bytea,
  etag text,
  last_modified text,
  loaded_at timestamptz,
  loaded_by text,
  refused integer not null default 0 check (refused >= 0),
  problems text[] not null default '{}',
  failed_at timestamptz,
  failure text,
  asked_at timestamptz,
  asked_every interval check (asked_every > interval '0'),
  check ((failed_at is null) = (failure is null)),
  check (asked_every is null or asked_at is not null)
);
alter table cluster_registry
  add foreign key (source) references registry_source on update cascade on delete set null;
create index cluster_registry_source_idx on cluster_registry (source) where source is not null;

create table rule_group (
  position smallint primary key,
  title text not null unique,
  description text not null,
  tags text[] not null check (array_position(tags, null) is null)
);
insert into rule_group (position, title, description, tags) values
  (1, 'Service Availability', 'What may keep services from answering', '{service_availability}'),
  (2, 'Performance', 'What makes a cluster slower than it could be', '{performance}'),
  (3, 'Fault Tolerance', 'What a cluster could not survive', '{fault_tolerance}'),
  (4, 'Security', 'What exposes a cluster to attacks', '{security}'),
  (5, 'Best Practices', 'What experience recommends to do otherwise', '{best_practices}');

create table cluster_rule_user_feedback (
  cluster_id text collate "C" not null,
  rule_id text not null,
  error_key text not null,
  user_id text not null,
  org_id bigint not null,
  message text not null default '' check (octet_length(message) <= 255),
  user_vote smallint not null default 0 check (user_vote between -1 and 1),
  added_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (cluster_id, rule_id, error_key, user_id, org_id)
);

create table cluster_user_rule_disable_feedback (
  cluster_id text collate "C" not null,
  rule_id text not null,
  error_key text not null,
  user_id text not null,
  org_id bigint not null,
  message text not null check (octet_length(message) <= 255),
  added_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (cluster_id, rule_id, error_key, user_id, org_id)
);
create index cluster_user_rule_disable_feedback_user_idx
  on cluster_user_rule_disable_feedback (org_id, user_id);

create table advisor_ratings (
  org_id bigint not null,
  rule_fqdn text not null,
  error_key text not null,
  rating smallint not null check (rating between -1 and 1),
  rated_at timestamptz not null default now(),
  last_updated_at timestamptz not null default now(),
  primary key (org_id, rule_fqdn, error_key)
);

create table api_token (
  token_hash bytea primary key check (octet_length(token_hash) = 32),
  org_id bigint not null check (org_id > 0),
  name text not null check (length(btrim(name)) >= 1),
  created_by text not null default session_user,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz
);

-- Uploads: archives, their announcements and where each is -----------------------------------------------------

create table archive (
  archive_id bigint generated always as identity primary key,
  request_id text collate "C" not null unique check (request_id ~ '^[A-Za-z0-9._-]{1,128}$'),
  org_id bigint not null,
  account_number text not null default '',
  principal text not null,
  cluster text collate "C",
  service text not null,
  category text not null,
  content_type text not null,
  size bigint not null check (size >= 0),
  sha256 bytea not null check (octet_length(sha256) = 32),
  store text not null check (store in ('database', 'folder', 's3')),
  object_key text collate "C" not null unique,
  b64_identity text not null,
  metadata jsonb,
  user_agent text,
  duplicate_of bigint references archive on delete set null,
  received_at timestamptz not null,
  stored_at timestamptz not null default now(),
  removed_at timestamptz,
  forgotten_at timestamptz,
  traceparent text
);
create index archive_content_idx on archive (org_id, sha256, archive_id);
create index archive_duplicate_idx on archive (duplicate_of) where duplicate_of is not null;
create index archive_cluster_idx on archive (cluster, received_at) where cluster is not null;
create index archive_kept_idx on archive (store, stored_at) where removed_at is null;
create index archive_stored_idx on archive (stored_at);
create index archive_forgotten_idx on archive (store, forgotten_at) where forgotten_at is not null;
create index archive_received_idx on archive (received_at);

create table archive_chunk (
  object_key text collate "C" not null,
  nth integer not null check (nth >= 0),
  bytes bytea not null,
  stored_at timestamptz not null default now(),
  primary key (object_key, nth)
);
-- archives are compressed already
alter table archive_chunk alter column bytes set storage external;

create table archive_limits (
  only_row boolean primary key default true check (only_row),
  keep interval not null check (keep between interval '1 hour' and interval '100 years'),
  max_bytes bigint check (max_bytes > 0),
  changed_by text not null default session_user,
  changed_at timestamptz not null default now()
);

create table ccx.archive_identity (
  only_row boolean primary key default true check (only_row),
  prefix text not null check (prefix ~ '^[a-z0-9]{8,32}$'),
  secret text not null check (length(secret) >= 64)
);
comment on table ccx.archive_identity is
  'what the archives of this database are known by among those of others in the same store, and what their URLs are '
  'signed with';
comment on column ccx.archive_identity.only_row is 'there is one row';
comment on column ccx.archive_identity.prefix is 'what the keys of all objects begin with, random';
comment on column ccx.archive_identity.secret is
  'what this service signs the URLs with under which it gives out archives itself, random; another one ends all';

create table upload_message (
  message_id bigint generated always as identity primary key,
  request_id text collate "C" not null,
  archive_id bigint references archive on delete cascade,
  kind text not null check (kind in ('announcement', 'status')),
  org_id bigint,
  account_number text not null default '',
  service text not null,
  status text check (status in ('received', 'processing', 'processed', 'success', 'error')),
  status_msg text,
  noted_at timestamptz not null default now(),
  due_at timestamptz default now(),
  attempts integer not null default 0,
  signed_at timestamptz,
  sent_at timestamptz,
  partition integer,
  kafka_offset bigint,
  died_at timestamptz,
  failure text,
  error text,
  constraint upload_message_of_kind_check check (
    case kind when 'announcement' then archive_id is not null and status is null else status is not null end),
  constraint upload_message_ended_check check (
    (due_at is null) = (num_nonnulls(sent_at, died_at) = 1) and num_nonnulls(sent_at, died_at) < 2)
);
create unique index upload_announced_once on upload_message (archive_id) where kind = 'announcement';
create index upload_message_archive_idx on upload_message (archive_id);
create index upload_message_request_idx on upload_message (request_id, message_id);
create index upload_message_due_idx on upload_message (due_at) where due_at is not null;
create index upload_message_noted_idx on upload_message (noted_at);
create index upload_message_dead_idx on upload_message (died_at) where died_at is not null;

-- Analysis: archives whose rules wait, run, or failed ----------------------------------------------------------

create table analysis (
  id bigint generated always as identity primary key,
  topic text not null,
  partition integer not null,
  kafka_offset bigint not null,
  request_id text,
  org_id bigint,
  account_number bigint,
  cluster text collate "C",
  vouched boolean not null default false,
  url text,
  announced_at timestamptz,
  last_checked text,
  gathering_time text,
  announcement bytea,
  received_at timestamptz not null,
  state text not null check (state in ('waiting', 'analyzed', 'published', 'dead')),
  attempts integer not null default 0,
  interruptions integer not null default 0,
  next_attempt_at timestamptz,
  started_at timestamptz,
  downloaded_at timestamptz,
  analyzed_at timestamptz,
  ended_at timestamptz,
  failure text,
  error text,
  redriven_at timestamptz,
  archive_bytes bigint,
  entries integer,
  hits integer,
  message text,
  result_topic text,
  result_partition integer,
  result_offset bigint,
  traceparent text,
  constraint analysis_known unique (org_id, request_id, announced_at),
  constraint analysis_check check ((state in ('waiting', 'analyzed')) = (next_attempt_at is not null)),
  constraint analysis_check1 check ((state = 'analyzed') = (message is not null)),
  constraint analysis_check2 check (state <> 'dead' or failure is not null)
) with (fillfactor = 70);
create index analysis_due_idx on analysis (state, next_attempt_at) where next_attempt_at is not null;
create index analysis_dead_idx on analysis (ended_at) where state = 'dead';
create index analysis_cluster_idx on analysis (cluster, announced_at);
create index analysis_request_idx on analysis (request_id);
create index analysis_received_idx on analysis using brin (received_at);

create table sql_rule (
  name text primary key check (name ~ '^[a-z][a-z0-9_]{0,59}$'),
  component text not null unique check (component ~ '^([a-zA-Z0-9_]+[.])+[a-z0-9_]+$'),
  description text not null,
  reads text[] not null,
  tags text[] not null,
  links jsonb not null check (jsonb_typeof(links) = 'object'),
  source text not null,
  loaded_at timestamptz not null,
  loaded_by text not null default session_user,
  timeouts integer not null default 0,
  suspended_at timestamptz
);

create table rule_failure (
  analysis_id bigint not null references analysis on delete cascade,
  component text not null,
  reason text not null,
  detail text not null,
  failed_at timestamptz not null,
  primary key (analysis_id, component)
);
create index rule_failure_component_idx on rule_failure (component, failed_at);

create table kept_archive (
  id bigint generated always as identity primary key,
  analysis_id bigint references analysis on delete set null,
  request_id text not null unique,
  org_id bigint not null,
  cluster text collate "C" not null,
  announced_at timestamptz not null,
  kept_at timestamptz not null
);
create index kept_archive_kept_idx on kept_archive (kept_at);
create index kept_archive_cluster_idx on kept_archive (cluster);
create index kept_archive_analysis_idx on kept_archive (analysis_id);

create table archive_document (
  archive_id bigint not null references kept_archive on delete cascade,
  path text collate "C" not null,
  document jsonb,
  body text,
  primary key (archive_id, path),
  constraint archive_document_check check (document is null or body is null)
);


-- Adopted databases: what the services before us had -----------------------------------------------------------

create table migration_info (
  version integer not null
);
insert into migration_info (version) values (8);

create table side_by_side (
  only_row boolean primary key default true check (only_row),
  mode text not null default 'together' check (mode in ('together', 'shadow', 'adopting', 'leaving')),
  since timestamptz not null default now(),
  changed_by text not null default session_user
);
insert into side_by_side default values;

create table reported_elsewhere (
  org_id bigint not null,
  cluster text collate "C" not null,
  notified_at timestamptz not null,
  target_id integer not null,
  primary key (org_id, cluster, notified_at, target_id)
);
create index reported_elsewhere_cluster_idx on reported_elsewhere (lower(cluster));
create index reported_elsewhere_notified_idx on reported_elsewhere (notified_at);
create table disabled_elsewhere (
  is_toggle boolean not null,
  owner text not null,
  rule_id text not null,
  error_key text not null,
  primary key (is_toggle, owner, rule_id, error_key)
);

-- Roles: who sees which organizations --------------------------------------------------------------------------

create table organization_reader (
  reader name not null,
  org_id bigint,
  unique nulls not distinct (reader, org_id)
);

-- The console: what people did there ---------------------------------------------------------------------------

create table console_act (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  person text not null default ccx.person(),
  act text not null check (act <> ''),
  details jsonb not null default '{}'
);

-- Surveys: questions about the whole fleet, answered in parts ---------------------------------------------------

create table survey_schedule (
  kind text primary key,
  every interval check (every >= interval '1 minute')
);

create table survey (
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('decisions', 'noise', 'backtest')),
  arguments jsonb not null default '{}',
  at timestamptz not null default clock_timestamp(),
  asked_at timestamptz not null default clock_timestamp(),
  asked_by text not null default ccx.person(),
  is_scheduled boolean not null default false,
  given_up_at timestamptz,
  problem text check ((problem is null) = (given_up_at is null))
);
create index survey_kind_idx on survey (kind, at);

create table survey_part (
  survey_id bigint not null references survey on delete cascade,
  part integer not null,
  first_org bigint not null,
  last_org bigint not null check (last_org >= first_org),
  clusters integer not null,
  ended_at timestamptz,
  seconds double precision,
  primary key (survey_id, part)
);
create index survey_part_left_idx on survey_part (survey_id, part) where ended_at is null;

create table surveyed_decision (
  survey_id bigint not null references survey on delete cascade,
  grouped_by text not null,
  name text not null,
  target_id integer references event_targets on delete restrict,
  decision text not null,
  decisions bigint not null,
  clusters bigint not null,
  organizations bigint not null,
  unique nulls not distinct (survey_id, grouped_by, name, decision, target_id)
) with (fillfactor = 70);

create table surveyed_noise (
  survey_id bigint not null references survey on delete cascade,
  target_id integer not null references event_targets on delete restrict,
  rule_id integer not null references rule on delete cascade,
  notified bigint not null,
  clusters bigint not null,
  organizations bigint not null,
  sightings numeric,
  occurrences bigint not null,
  flapping_issues bigint not null,
  gone_within_an_hour bigint not null,
  open_issues bigint not null,
  primary key (survey_id, rule_id, target_id)
);
create index surveyed_noise_rule_idx on surveyed_noise (rule_id);

create table surveyed_day (
  survey_id bigint not null references survey on delete cascade,
  day date not null,
  issues bigint not null,
  messages bigint not null,
  clusters bigint not null,
  organizations bigint not null,
  primary key (survey_id, day)
);

-- The rows that everything else relies on ----------------------------------------------------------------------

insert into states (id, value, comment) values
  (1, 'sent', 'notification has been sent to user'),
  (2, 'same', 'skipped, report is the same as previous one'),
  (3, 'lower', 'skipped, all issues has low priority'),
  (4, 'error', 'notification delivery error');
insert into notification_types (id, value, frequency, comment) values
  (1, 'instant', '* * * * * *', 'instant notifications performed ASAP'),
  (2, 'weekly', '@weekly', 'weekly summary');
insert into event_targets (id, name, metainfo, task) values
  (1, 'notifications backend', 'the target of the report is the ccx notification service back end',
    'deliver_notifications_backend'),
  (2, 'service log', 'the target of the report is the ServiceLog', 'deliver_service_log');
insert into severity (target_id, total_risk, name) values
  (1, 1, 'LOW'), (1, 2, 'MODERATE'), (1, 3, 'IMPORTANT'), (1, 4, 'CRITICAL'),
  (2, 1, 'Info'), (2, 2, 'Warning'), (2, 3, 'Major'), (2, 4, 'Critical');
insert into policy (
  target_id, enabled, total_risk_threshold, required_tags, cooldown, max_events, validity, reason
) values
  (1, true, 2, '{}', '7 days', 100, '[-infinity,)', 'default policy'),
  (2, false, 0, '{osd_customer}', '7 days', 1, '[-infinity,)',
    'default policy; switch it on where Service Log is configured');
insert into circuit (target_id) select id from event_targets;
insert into sweep_mark (cooldowns_until) values ('-infinity');
insert into cell (name, buckets) values ('', '{[0,256)}');
insert into archive_limits (keep) values ('2 days');
insert into ccx.archive_identity (prefix, secret)
  values (left(replace(gen_random_uuid()::text, '-', ''), 12),
    replace(gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text, '-', ''));
insert into retention (parent, keep) values
  ('new_reports', '8 days'), ('reported', '8 days'),
  ('rejected_message', '30 days'), ('read_errors', '30 days'),
  ('notification', '180 days'), ('occurrence', '180 days'), ('render_failure', '30 days'),
  ('worker', '1 day'), ('archive', '30 days'), ('upload_message', '30 days'),
  ('analysis', '30 days'), ('kept_archive', '7 days'), ('latest_report', '90 days'),
  ('workload_report', '90 days');
insert into survey_schedule (kind, every) values ('decisions', '10 minutes'), ('noise', '1 hour');
