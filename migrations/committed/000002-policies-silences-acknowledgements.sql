--! Previous: sha1:633d5ebfdbdd482e82c444baf96a8a59daed2522
--! Hash: sha1:d99eff175055e34a0568964ed1cf0e505d3cec53
--! Message: policies, silences, acknowledgements

-- Policies narrowed to an organization or a rule, filters, silences and acknowledgements.

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
-- shows at the first content, not at the first content that gets that far.
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
      raise exception 'the filter divides by zero: % % 0', a, token using errcode = 'division_by_zero';
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
  'The value of a filter for one issue; it lets the issue through when the value is greater than 0. compiled is what compile_filter() returned.';
--! EndIncluded decide/evaluate_filter.sql

alter table policy
  add column org_id bigint check (org_id > 0),
  add column rule_name text check (rule_name = rule_name(rule_name) and rule_name <> ''),
  add column likelihood_threshold smallint not null default 0 check (likelihood_threshold between 0 and 4),
  add column impact_threshold smallint not null default 0 check (impact_threshold between 0 and 4),
  add column severity_threshold smallint not null default 0 check (severity_threshold between 0 and 4),
  add column filter text,
  add column compiled_filter text[] generated always as (compile_filter(filter)) stored,
  add column allowed_clusters text[] check (array_position(allowed_clusters, null) is null),
  add column blocked_clusters text[] not null default '{}' check (array_position(blocked_clusters, null) is null),
  add column spacing interval not null default '0' check (spacing between interval '0' and interval '100 years');
alter table policy
  add column ended_by text,
  add column end_reason text check (length(btrim(end_reason)) >= 5);
comment on column policy.ended_by is 'database user who ended it without a successor';
comment on column policy.end_reason is 'why it was ended';
alter table policy drop constraint policy_target_id_validity_excl;
alter table policy add constraint policy_one_in_force
  exclude using gist (target_id with =, (coalesce(org_id, 0)) with =, (coalesce(rule_name, '')) with =, validity with &&);
comment on column policy.org_id is 'the organization it is for; null: all of them';
comment on column policy.rule_name is 'the rule it is for; null: all of them. The narrowest policy wins: organization and rule, organization, rule, target';
comment on column policy.likelihood_threshold is 'least likelihood that is told';
comment on column policy.impact_threshold is 'least impact that is told';
comment on column policy.severity_threshold is 'least severity that is told; severity is always 0 today';
comment on column policy.filter is 'expression that has to be greater than 0 for an issue to be told, in place of comparing with the thresholds, which are its variables (docs/decide.md)';
comment on column policy.compiled_filter is 'the filter as compile_filter() reads it';
comment on column policy.allowed_clusters is 'the only clusters that are told about; null: all of them';
comment on column policy.blocked_clusters is 'clusters that are not told about';
comment on column policy.spacing is 'least time between two messages about one cluster';

comment on constraint policy_cooldown_check on policy is 'a cooldown has to be between 0 and 100 years';
comment on constraint policy_spacing_check on policy is 'spacing has to be between 0 and 100 years';
comment on constraint policy_max_events_check on policy is 'max_events has to be between 1 and 1000';
comment on constraint policy_reason_check on policy is 'a change needs a reason that a colleague understands';
comment on constraint policy_total_risk_threshold_check on policy is 'total_risk_threshold has to be between 0 and 4';
comment on constraint policy_likelihood_threshold_check on policy is 'likelihood_threshold has to be between 0 and 4';
comment on constraint policy_impact_threshold_check on policy is 'impact_threshold has to be between 0 and 4';
comment on constraint policy_severity_threshold_check on policy is 'severity_threshold has to be between 0 and 4';
comment on constraint policy_required_tags_check on policy is 'required_tags cannot have an empty element';
comment on constraint policy_allowed_clusters_check on policy is 'allowed_clusters cannot have an empty element';
comment on constraint policy_blocked_clusters_check on policy is 'blocked_clusters cannot have an empty element';
comment on constraint policy_rule_name_check on policy is 'a policy for a rule needs the name of a rule';
comment on constraint policy_org_id_check on policy is 'an organization has a number from 1 on';

-- the issues of one message may follow different policies
alter table notified_issue add column policy_id bigint references policy on delete restrict;
update notified_issue i set policy_id = n.policy_id from notification n where n.id = i.notification_id;
alter table notified_issue alter column policy_id set not null;
comment on column notified_issue.policy_id is 'policy version in force at the decision';
alter table notification drop column policy_id;

create table filter_result (
  policy_id bigint not null references policy on delete cascade,
  content_id bigint not null references rule_content on delete cascade,
  passes boolean not null,
  error text,
  primary key (policy_id, content_id)
);
comment on table filter_result is 'what the filter of a policy says about a version of rule content; worked out once, when either is written';
comment on column filter_result.policy_id is 'the policy';
comment on column filter_result.content_id is 'the content';
comment on column filter_result.passes is 'the filter lets it through';
comment on column filter_result.error is 'why the filter could not be evaluated (then it does not let it through)';

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

create table silence (
  id bigint generated always as identity primary key,
  org_id bigint,
  cluster text collate "C",
  rule_name text check (rule_name = rule_name(rule_name)),
  error_key text,
  tag text,
  everything boolean not null default false,
  period tstzrange not null,
  reason text not null check (length(btrim(reason)) >= 5),
  created_by text not null default session_user,
  created_at timestamptz not null default now(),
  ended_at timestamptz,
  ended_by text,
  in_force tstzrange not null generated always as (silence_in_force(period, created_at, ended_at)) stored,
  constraint silence_has_an_end check (not isempty(period) and not lower_inf(period) and not upper_inf(period)
    and upper(period) < 'infinity'),
  constraint silence_of_everything_is_meant
    check (everything = (num_nonnulls(org_id, cluster, rule_name, error_key, tag) = 0)),
  constraint silence_once exclude using gist (
    (coalesce(org_id, 0)) with =, (coalesce(cluster, '')) with =, (coalesce(rule_name, '')) with =,
    (coalesce(error_key, '')) with =, (coalesce(tag, '')) with =, in_force with &&)
);
comment on table silence is 'who asked not to be told, of what, why and until when; ended early, never deleted';
comment on column silence.id is 'number of the silence';
comment on column silence.org_id is 'only for this organization; null: any';
comment on column silence.cluster is 'only for this cluster; null: any';
comment on column silence.rule_name is 'only for this rule; null: any';
comment on column silence.error_key is 'only for this error key; null: any';
comment on column silence.tag is 'only for rules with this tag; null: any';
comment on column silence.everything is 'has to be true for a silence without any of the above';
comment on column silence.period is 'from when until when';
comment on column silence.reason is 'why';
comment on column silence.created_by is 'database user who asked';
comment on column silence.created_at is 'when; a silence does not reach into the past before it';
comment on column silence.ended_at is 'when it was ended early';
comment on column silence.in_force is 'when it really holds: the period, not before it was created, not after it was ended; this is what decide() reads';
comment on column silence.ended_by is 'database user who ended it early';

create table rule_disable (
  org_id text not null,
  rule_id text not null,
  error_key text not null,
  justification text,
  created_at timestamptz not null default now(),
  updated_at timestamptz,
  primary key (org_id, rule_id, error_key)
);
comment on table rule_disable is 'rules that an organization does not want to hear of, as the aggregator keeps them; deleting a row ends it';
comment on column rule_disable.org_id is 'the organization, as text, as the aggregator has it';
comment on column rule_disable.rule_id is 'the rule, in any of its spellings';
comment on column rule_disable.error_key is 'which of the rule''s problems; empty: all of them';
comment on column rule_disable.justification is 'why';
comment on column rule_disable.created_at is 'since when';
comment on column rule_disable.updated_at is 'when it was last changed';

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
comment on table cluster_rule_toggle is 'rules that are switched off for one cluster, as the aggregator keeps them';
comment on column cluster_rule_toggle.cluster_id is 'the cluster';
comment on column cluster_rule_toggle.rule_id is 'the rule, in any of its spellings';
comment on column cluster_rule_toggle.error_key is 'which of the rule''s problems; empty: all of them';
comment on column cluster_rule_toggle.org_id is 'the organization, as text; 0: whoever owns the cluster';
comment on column cluster_rule_toggle.disabled is '1: switched off';
comment on column cluster_rule_toggle.disabled_at is 'since when it is off';
comment on column cluster_rule_toggle.enabled_at is 'since when it is on again';
comment on column cluster_rule_toggle.updated_at is 'when it was last changed';

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
create index acknowledgement_rule_idx on acknowledgement (rule_name);
comment on table acknowledgement is 'the history of rule_disable and cluster_rule_toggle, kept by their triggers; this is what decide() reads, now and for the past';
comment on column acknowledgement.id is 'number of the acknowledgement';
comment on column acknowledgement.org_id is 'the organization; null: whoever owns the cluster';
comment on column acknowledgement.cluster is 'the cluster; null: all clusters of the organization';
comment on column acknowledgement.rule_name is 'bare name of the rule';
comment on column acknowledgement.error_key is 'which of the rule''s problems; null: all of them';
comment on column acknowledgement.period is 'from when until when';
comment on column acknowledgement.source is 'the table it comes from';
comment on column acknowledgement.source_key is 'the key of its row there, its columns separated by blanks';

-- decision gains columns, so what returns it is made anew
drop view new_issues;
drop view explain_notification;
drop function decide(integer, timestamptz);
drop function set_policy(text, jsonb, text, timestamptz);
alter type decision add attribute silence_id bigint, add attribute acknowledgement_id bigint;

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
--! Included decide/target_id.sql
create or replace function target_id(target text) returns integer
language plpgsql stable
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
-- shows at the first content, not at the first content that gets that far.
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
      raise exception 'the filter divides by zero: % % 0', a, token using errcode = 'division_by_zero';
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
  'The value of a filter for one issue; it lets the issue through when the value is greater than 0. compiled is what compile_filter() returned.';
--! EndIncluded decide/evaluate_filter.sql
--! Included decide/filter_passes.sql
-- The one place where a filter meets content. An error (a division by zero) does not stop anything else: the filter just
-- does not let this content through, and filter_result says why.
create or replace function filter_passes(policy policy, content rule_content, out passes boolean, out error text)
language plpgsql immutable
set search_path = public, pg_temp
as $$
begin
  passes := evaluate_filter(
    policy.compiled_filter, content.likelihood, content.impact, 0, content.total_risk,
    policy.likelihood_threshold, policy.impact_threshold, policy.severity_threshold, policy.total_risk_threshold) > 0;
exception when division_by_zero then
  passes := false;
  error := sqlerrm;
end $$;

comment on function filter_passes(policy, rule_content) is
  'Does the filter of this policy let this content through; error says why it could not be evaluated.';
--! EndIncluded decide/filter_passes.sql
--! Included decide/tg_policy__filter_results.sql
create or replace function tg_policy__filter_results() returns trigger
language plpgsql volatile
set search_path = public, pg_temp
as $$
begin
  insert into filter_result (policy_id, content_id, passes, error)
  select p.id, c.id, f.passes, f.error
  from added p
  join rule_content c on c.validity && p.validity
  cross join lateral filter_passes((select x from policy x where x.id = p.id), c) f
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
  select p.id, c.id, f.passes, f.error
  from added c
  join policy p on p.filter is not null and p.validity && c.validity
  cross join lateral filter_passes(p, (select x from rule_content x where x.id = c.id)) f;
  return null;
end $$;

comment on function tg_rule_content__filter_results() is
  'Trigger of rule_content: evaluates the filters of all policies of its time for new content.';

create or replace trigger _200_filter_results after insert on rule_content
  referencing new table as added
  for each statement execute function tg_rule_content__filter_results();
--! EndIncluded content/tg_rule_content__filter_results.sql
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
      content_id bigint,
      silence_id bigint,
      acknowledgement_id bigint
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
comment on column decision.qualifies is 'the policy lets it through; what holds it, if anything, is a cooldown, a silence or an acknowledgement';
comment on column decision.last_told_at is 'when it was last told to this target';
comment on column decision.next_eligible_at is 'when its cooldown ends; null when it was never told';
comment on column decision.policy_id is 'policy version that decided';
comment on column decision.content_id is 'content version that decided';
comment on column decision.silence_id is 'the silence that holds it';
comment on column decision.acknowledgement_id is 'the acknowledgement that holds it';
--! EndIncluded decide/decision.sql
--! Included decide/verdict.sql
-- What the policy alone says about a rule, before anybody asks about a cluster: computed for a few hundred rules, not for
-- every issue. Organizations with a policy of their own have rows of their own (org_id), all others share those with
-- org_id null. The narrowest policy wins: organization and rule, organization, rule, target.
--
-- No SET clause, so that the planner can take it apart together with decide().
create or replace function verdict(target integer, at timestamptz)
returns table (
  org_id bigint, rule_id integer, policy_id bigint, content_id bigint, total_risk smallint, reasons text[],
  cooldown interval, spacing interval, allowed_clusters text[], blocked_clusters text[]
)
language sql stable parallel safe
begin atomic
  select
    scope.org_id,
    r.id,
    p.id,
    c.id,
    c.total_risk,
    array_remove(array[
      case when not p.enabled then 'target_disabled' end,
      case when c.id is null then 'no_content' end,
      case when c.status = 'inactive' then 'inactive' end,
      case when p.filter is null and (
          c.total_risk < p.total_risk_threshold or c.likelihood < p.likelihood_threshold
          or c.impact < p.impact_threshold or 0 < p.severity_threshold)
        then 'below_threshold' end,
      case when p.filter is not null and c.id is not null and f.passes is not true then 'filtered' end,
      case when not c.tags @> p.required_tags then 'missing_tag' end
    ], null),
    p.cooldown,
    p.spacing,
    p.allowed_clusters,
    p.blocked_clusters
  from (
    select null::bigint as org_id
    union all
    select distinct own.org_id
    from policy own
    where own.target_id = target and own.org_id is not null and own.validity @> at
  ) scope
  cross join rule r
  cross join lateral (
    select candidate.*
    from policy candidate
    where candidate.target_id = target
      and candidate.validity @> at
      and (candidate.org_id is null or candidate.org_id = scope.org_id)
      and (candidate.rule_name is null or candidate.rule_name = r.rule_name)
    order by candidate.org_id nulls last, candidate.rule_name nulls last
    limit 1
  ) p
  left join rule_content c
    on c.rule_name = r.rule_name and c.error_key = r.error_key and c.validity @> at
  left join filter_result f on f.policy_id = p.id and f.content_id = c.id;
end;

comment on function verdict(integer, timestamptz) is
  'Which policy and content decide about each rule for this target at this time, and the reasons that hold it whatever the cluster; org_id null stands for all organizations without a policy of their own.';
--! EndIncluded decide/verdict.sql
--! Included decide/decide.sql
-- The only place that says notify or hold. The live path, the views and every simulation call it.
--
-- One `language sql` query without a SET clause, so that the planner takes it apart: `where cluster = …` on a view
-- above it reaches the index of issue, and a fleet gets hash joins. (With `set search_path` it would be a black box
-- that computes every cluster first; `begin atomic` binds names when it is created, which is as safe.)
create or replace function decide(target integer, at timestamptz, clusters text[] default null) returns setof decision
language sql stable parallel safe
begin atomic
  with verdict as materialized (
    select * from verdict(target, at)
  )
  select
    target,
    i.org_id,
    i.cluster,
    i.id,
    r.component,
    r.error_key,
    i.occurrence,
    i.first_seen,
    l.updated_at,
    v.total_risk,
    case when cardinality(v.reasons) = 0 and cardinality(held.reasons) = 0 then 'notify' else 'hold' end,
    v.reasons || held.reasons,
    cardinality(v.reasons) = 0 and not held.by_cluster_list,
    told.told_at,
    greatest(cooldown_end(told.told_at, v.cooldown), cooldown_end(spaced.decided_at, v.spacing)),
    v.policy_id,
    v.content_id,
    silenced.silence_id,
    acked.acknowledgement_id
  from issue i
  join latest_report l on l.org_id = i.org_id and l.cluster = i.cluster
  join rule r on r.id = i.rule_id
  left join verdict everybody on everybody.rule_id = i.rule_id and everybody.org_id is null
  left join verdict own on own.rule_id = i.rule_id and own.org_id = i.org_id
  cross join lateral (
    select
      coalesce(own.policy_id, everybody.policy_id) as policy_id,
      coalesce(own.content_id, everybody.content_id) as content_id,
      coalesce(own.total_risk, everybody.total_risk) as total_risk,
      coalesce(own.reasons, everybody.reasons) as reasons,
      coalesce(own.cooldown, everybody.cooldown) as cooldown,
      coalesce(own.spacing, everybody.spacing) as spacing,
      case when own.policy_id is null then everybody.allowed_clusters else own.allowed_clusters end as allowed_clusters,
      case when own.policy_id is null then everybody.blocked_clusters else own.blocked_clusters end as blocked_clusters
  ) v
  left join lateral (
    select n.told_at
    from notified_issue n
    where n.issue_id = i.id and n.target_id = target and n.live and n.told_at <= at
    order by n.told_at desc
    limit 1
  ) told on true
  left join lateral (
    select n.decided_at
    from notification n
    where v.spacing > interval '0'
      and n.cluster = i.cluster and n.org_id = i.org_id and n.target_id = target
      and n.state <> 'dead' and n.decided_at <= at
    order by n.decided_at desc
    limit 1
  ) spaced on true
  left join lateral (
    select min(s.id) as silence_id
    from silence s
    left join rule_content tagged on tagged.id = v.content_id
    where s.in_force @> at
      and silence_matches(s, i.org_id, i.cluster, r.rule_name, r.error_key, tagged.tags)
  ) silenced on true
  left join lateral (
    select min(a.id) as acknowledgement_id, bool_or(a.cluster is null) as by_org, bool_or(a.cluster is not null) as by_cluster
    from acknowledgement a
    where a.rule_name = r.rule_name
      and a.period @> at
      and (a.org_id is null or a.org_id = i.org_id)
      and (a.cluster is null or a.cluster = i.cluster)
      and (a.error_key is null or a.error_key = r.error_key)
  ) acked on true
  cross join lateral (
    select
      array_remove(array[
        case when i.cluster <> all (v.allowed_clusters) then 'cluster_not_allowed' end,
        case when i.cluster = any (v.blocked_clusters) then 'cluster_blocked' end,
        case when silenced.silence_id is not null then 'silenced' end,
        case when acked.by_org then 'acked' end,
        case when acked.by_cluster then 'disabled' end,
        case when cooldown_end(told.told_at, v.cooldown) > at then 'cooldown' end,
        case when cooldown_end(spaced.decided_at, v.spacing) > at then 'spacing' end
      ], null) as reasons,
      coalesce(i.cluster <> all (v.allowed_clusters) or i.cluster = any (v.blocked_clusters), false) as by_cluster_list
  ) held
  where i.closed_at is null
    and (clusters is null or i.cluster = any (clusters))
    and v.policy_id is not null;
end;

comment on function decide(integer, timestamptz, text[]) is
  'Notify or hold, with every reason: one row for each open issue, for this target at this time (clusters: only these). Reads only; same inputs, same answer.';
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

  -- `execute` plans anew each time, with the clusters at hand: a plan kept for any clusters, or none, reads all issues.
  -- (plan_cache_mode on the function does that too, but also plans every foreign key check anew: 290 ms against 155.)
  execute $query$
    select array_agg(d), count(*) filter (where d.decision = 'hold')
    from event_targets t
    cross join lateral decide(t.id, $1, $3) d
    join unnest($2, $3) as due (org_id, cluster) on due.org_id = d.org_id and due.cluster = d.cluster
  $query$
  into decided, held
  using at, orgs, names;

  with telling as (
    -- one message holds at most max_events issues of one cluster; where its issues follow several policies, the
    -- smallest max_events counts
    select d.target_id, d.org_id, d.cluster, d.issue_id, d.occurrence, d.content_id, d.policy_id, d.last_seen,
      p.cooldown,
      (row_number() over (
        partition by d.target_id, d.org_id, d.cluster
        order by d.total_risk desc, d.issue_id) - 1)
      / min(p.max_events) over (partition by d.target_id, d.org_id, d.cluster) as message
    from unnest(decided) d
    join policy p on p.id = d.policy_id
    where d.decision = 'notify'
  ), message as materialized (
    -- the issues travel along as arrays: joined back to their message, the planner, which expects one row of each,
    -- compared all with all (300 ms for the 2,000 issues of 1,000 clusters)
    select nextval(pg_get_serial_sequence('notification', 'id')) as id, m.*
    from (
      select t.target_id, t.org_id, t.cluster, t.message, t.last_seen,
        array_agg(t.issue_id) as issue_ids, array_agg(t.occurrence) as occurrences,
        array_agg(t.content_id) as content_ids, array_agg(t.policy_id) as policy_ids, array_agg(t.cooldown) as cooldowns
      from telling t
      group by t.target_id, t.org_id, t.cluster, t.message, t.last_seen
      order by t.target_id, t.org_id, t.cluster, t.message
    ) m
  ), sent_to_outbox as (
    insert into notification (id, target_id, org_id, account_number, cluster, updated_at, decided_at, next_attempt_at)
    select m.id, m.target_id, m.org_id, l.account_number, m.cluster, m.last_seen, at, at
    from message m
    join latest_report l on l.org_id = m.org_id and l.cluster = m.cluster
  ), ledger as (
    insert into notified_issue
      (notification_id, issue_id, target_id, told_at, cooldown_period, occurrence, content_id, policy_id)
    -- "1 month -30 days" is not negative, yet ends before it begins in February
    select m.id, i.issue_id, m.target_id, at, tstzrange(at, greatest(cooldown_end(at, i.cooldown), at)),
      i.occurrence, i.content_id, i.policy_id
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
--! Included decide/decide_again_after_silence.sql
create or replace function decide_again_after_silence(silence silence, at timestamptz) returns integer
language plpgsql volatile
set search_path = public, pg_temp
as $$
declare
  asked integer;
begin
  insert into decision_due (org_id, cluster)
  select distinct m.org_id, m.cluster
  from silence_hits(silence, decide_again_after_silence.at) m
  join latest_report l on l.org_id = m.org_id and l.cluster = m.cluster
  where l.updated_at > decide_again_after_silence.at - interval '1 day'
  order by m.org_id, m.cluster
  on conflict (org_id, cluster) do update set due_at = decision_due.due_at;
  get diagnostics asked = row_count;
  if asked > 0 then
    perform wake_decide();
  end if;
  return asked;
end $$;

comment on function decide_again_after_silence(silence, timestamptz) is
  'Puts the clusters with issues that this silence held, and that reported within a day, up for a new decision; returns how many.';
--! EndIncluded decide/decide_again_after_silence.sql
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
  perform decide_again_after_silence(ended, end_silence.at);
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
    perform decide_again(array[rule_name(old.rule_id)], changed_at);
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
    perform decide_again(array[rule_name(old.rule_id)], changed_at);
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
  d.content_id,
  d.silence_id,
  d.acknowledgement_id
from event_targets t
cross join lateral decide(t.id, now()) d;

comment on view explain_notification is 'Why is (or is not) somebody told: one row for each open issue and target, with every reason that holds it.';
comment on column explain_notification.target is 'the target';
comment on column explain_notification.org_id is 'organization that owns the cluster';
comment on column explain_notification.cluster is 'the cluster';
comment on column explain_notification.component is 'the rule, as reports spell it';
comment on column explain_notification.error_key is 'which of the rule''s problems';
comment on column explain_notification.decision is 'notify or hold';
comment on column explain_notification.reasons is 'every reason that holds it: target_disabled, no_content, inactive, below_threshold, filtered, missing_tag, cluster_not_allowed, cluster_blocked, silenced, acked, disabled, cooldown, spacing';
comment on column explain_notification.total_risk is '1 low to 4 critical; null without content';
comment on column explain_notification.last_told_at is 'when it was last told to this target';
comment on column explain_notification.next_eligible_at is 'when its cooldown ends';
comment on column explain_notification.occurrence is '1 = new, more = gone and back';
comment on column explain_notification.first_seen is 'time of the first report that had it';
comment on column explain_notification.last_seen is 'time of the newest report that has it';
comment on column explain_notification.issue_id is 'the issue';
comment on column explain_notification.policy_id is 'policy version that decided';
comment on column explain_notification.content_id is 'content version that decided';
comment on column explain_notification.silence_id is 'the silence that holds it';
comment on column explain_notification.acknowledgement_id is 'the acknowledgement that holds it';
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
  with verdict as materialized (
    select v.org_id, v.rule_id, v.cooldown from verdict(renew_cooldowns.target_id, renew_cooldowns.at) v
  ), wanted as (
    select n.notification_id, n.issue_id, n.told_at,
      cooldown_end(n.told_at, coalesce(own.cooldown, everybody.cooldown)) as ends_at
    from notified_issue n
    join issue i on i.id = n.issue_id
    left join verdict everybody on everybody.rule_id = i.rule_id and everybody.org_id is null
    left join verdict own on own.rule_id = i.rule_id and own.org_id = i.org_id
    where n.target_id = renew_cooldowns.target_id
      and n.live
      and not exists (
        select from notified_issue later
        where later.issue_id = n.issue_id and later.target_id = n.target_id and later.live
          and later.told_at > n.told_at)
  )
  update notified_issue n
  set cooldown_period = tstzrange(n.told_at, greatest(w.ends_at, n.told_at))
  from wanted w
  where n.notification_id = w.notification_id
    and n.issue_id = w.issue_id
    and upper(n.cooldown_period) is distinct from w.ends_at
    and (n.cooldown_period @> renew_cooldowns.at or w.ends_at > renew_cooldowns.at);
  get diagnostics renewed = row_count;
  return renewed;
end $$;

comment on function renew_cooldowns(integer, timestamptz) is
  'Makes the ledger of a target follow the cooldown of its policy in force; returns how many rows changed.';
--! EndIncluded decide/renew_cooldowns.sql
--! Included decide/set_policy.sql
-- A change is an insert: the version in force ends where the new one begins, and the past keeps its answer. The first
-- policy for an organization or a rule begins as a copy of the one that was in force for it until then.
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
  broken text;
  settings constant text[] := '{enabled,total_risk_threshold,likelihood_threshold,impact_threshold,severity_threshold,required_tags,cooldown,max_events,filter,allowed_clusters,blocked_clusters,spacing}';
  wrong text;
  wanted_target integer := target_id(set_policy.target);
  scope_rule text := rule_name(set_policy.rule);
  present policy;
  is_successor boolean;
  successor policy;
begin
  -- of two changes at once the second waits here, in a statement before the one that is to see what the first made
  perform from event_targets t where t.id = wanted_target for no key update;
  select key into wrong from jsonb_object_keys(change) key where key <> all (settings) limit 1;
  if found then
    raise exception 'a policy has no setting "%"; the settings are: %', wrong, array_to_string(settings, ', ')
      using errcode = 'invalid_parameter_value';
  end if;

  select p.* into present
  from policy p
  where p.target_id = wanted_target
    and upper_inf(p.validity)
    and (p.org_id is null or p.org_id = set_policy.org_id)
    and (p.rule_name is null or p.rule_name = scope_rule)
  order by p.org_id nulls last, p.rule_name nulls last
  limit 1
  for update;
  -- a narrower one may begin together with the wider one that it copies
  is_successor := present.org_id is not distinct from set_policy.org_id and present.rule_name is not distinct from scope_rule;
  if lower(present.validity) > set_policy.at or is_successor and lower(present.validity) = set_policy.at then
    raise exception 'the policy in force began at %, a new one has to begin later', lower(present.validity)
      using errcode = 'invalid_parameter_value';
  end if;
  if is_successor then
    update policy p set validity = tstzrange(lower(p.validity), set_policy.at) where p.id = present.id;
  end if;

  successor := jsonb_populate_record(present, change);
  insert into policy (target_id, org_id, rule_name, enabled, total_risk_threshold, likelihood_threshold,
    impact_threshold, severity_threshold, required_tags, cooldown, max_events, filter, allowed_clusters,
    blocked_clusters, spacing, validity, reason)
  values (wanted_target, set_policy.org_id, scope_rule, successor.enabled, successor.total_risk_threshold,
    successor.likelihood_threshold, successor.impact_threshold, successor.severity_threshold,
    successor.required_tags, successor.cooldown, successor.max_events, successor.filter,
    successor.allowed_clusters, successor.blocked_clusters, successor.spacing,
    tstzrange(set_policy.at, null), set_policy.reason)
  returning * into successor;
  perform renew_cooldowns(wanted_target, set_policy.at);
  perform decide_again(case when scope_rule is not null then array[scope_rule] end, set_policy.at);
  return successor;
exception
  -- what a bound means stands in the comment on its constraint
  when check_violation then
    get stacked diagnostics broken = constraint_name;
    raise exception '%', coalesce(
      (select obj_description(c.oid, 'pg_constraint') from pg_constraint c
       where c.conrelid = 'policy'::regclass and c.conname = broken), sqlerrm)
      using errcode = 'invalid_parameter_value';
  when exclusion_violation then
    raise exception 'there is a policy of its own at that time already, or it ended later than that'
      using errcode = 'invalid_parameter_value';
  when not_null_violation then
    get stacked diagnostics broken = column_name;
    raise exception 'the setting % cannot be empty', broken using errcode = 'invalid_parameter_value';
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
  if num_nonnulls(org_id, scope_rule) = 0 then
    raise exception 'the policy of a target cannot end, only change (set_policy); name an organization or a rule'
      using errcode = 'invalid_parameter_value';
  end if;
  if length(btrim(coalesce(end_policy.reason, ''))) < 5 then
    raise exception 'the end of a policy needs a reason that a colleague understands' using errcode = 'invalid_parameter_value';
  end if;
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
  perform renew_cooldowns(ended.target_id, end_policy.at);
  perform decide_again(case when scope_rule is not null then array[scope_rule] end, end_policy.at);
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
  perform decide_again_after_silence(s, sweep.at)
  from silence s
  where upper(s.in_force) > swept_until and upper(s.in_force) <= sweep.at;
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

insert into filter_result (policy_id, content_id, passes, error)
select p.id, c.id, f.passes, f.error
from policy p
join rule_content c on c.validity && p.validity
cross join lateral filter_passes(p, c) f
where p.filter is not null;
