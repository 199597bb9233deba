-- The whole work of the database on one archive, in one transaction: its rules run, and their hits, those of
-- the other engine (python) and what goes with them become the message in the outbox. The row stays with the
-- caller for the lease, in which it publishes the message.
--
-- python is null where that engine is off, or {reports, info, pass, version, plugin_sets, failures, rules},
-- where rules is how many ran. left_out has the SQL rules that take too long on this archive: [{rule, reason,
-- detail}]. Three times in a row, and a rule is suspended; where most of them do, none is to blame, and the
-- archive is tried again. config_id is the file config/id of the archive.
create or replace function ccx.analyze_archive(
  id bigint,
  attempt integer,
  rules_version text,
  config_id text,
  paths text[],
  bodies text[],
  facts jsonb,
  keep boolean,
  release text,
  python json default null,
  left_out jsonb default '[]',
  lease interval default '2 minutes',
  at timestamptz default clock_timestamp(),
  out state text,
  out failure text,
  out error text,
  out cluster text,
  out hits integer,
  out failed integer,
  out message text
)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  uuid_form constant text := '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
  named text;
  force record;
  a analysis;
  ran jsonb;
  reports json;
begin
  select j.* into a
  from analysis j
  where j.id = analyze_archive.id and j.attempts = analyze_archive.attempt and j.state = 'waiting'
  for update;
  if a.id is null then
    state := 'lost';
    return;
  end if;
  -- those that are loaded meanwhile wait
  perform pg_advisory_xact_lock_shared(hashtextextended('ccx rules', 0));
  select f.version, f.rules into force from rules_in_force() f;
  if force.version <> analyze_archive.rules_version then
    state := 'rules_changed';
    return;
  end if;

  named := lower(left(analyze_archive.config_id, 36));
  if a.cluster is null then
    failure := case
      when named is null then 'no_cluster_id'
      when named !~ uuid_form then 'bad_cluster_id'
      when exists (
        select from latest_report l
        where l.cluster = named and l.org_id <> a.org_id and l.updated_at > a.announced_at - interval '1 day')
        then 'other_organization' end;
    error := case failure
      when 'no_cluster_id' then 'neither the identity nor config/id names the cluster'
      when 'bad_cluster_id' then 'config/id is no UUID'
      when 'other_organization' then
        'the archive is of a cluster that another organization reports, and no identity vouches for it' end;
    a.cluster := named;
  elsif named <> a.cluster and named ~ uuid_form then
    failure := 'other_cluster';
    error := format('the identity is that of cluster %s, the archive that of %s', a.cluster, named);
  end if;
  if failure is null then
    select 'overloaded', format('%s of %s %s rules took longer than a rule may', e.late, e.rules, e.engine)
    into failure, error
    from (values
      ('SQL', jsonb_array_length(analyze_archive.left_out), force.rules),
      ('Python', (
        select count(*)::integer
        from json_array_elements(python -> 'failures') f
        where f ->> 'reason' = 'timed_out'), (python ->> 'rules')::integer)) e (engine, late, rules)
    where is_overload(e.late, e.rules)
    limit 1;
  end if;
  if failure is not null then
    state := fail_analysis(a.id, a.attempts, failure, error, analyze_archive.at);
    return;
  end if;
  cluster := a.cluster;

  perform open_files(analyze_archive.paths, analyze_archive.bodies);
  select coalesce(jsonb_agg(to_jsonb(r)), '[]') into ran
  from run_rules(array(select l ->> 'rule' from jsonb_array_elements(analyze_archive.left_out) l)) r;

  with mine as (
    select *
    from jsonb_to_recordset(ran) m (rule text, component text, tags jsonb, links jsonb, hits jsonb,
      reason text)
    where m.reason is null
  ), hit as (
    select m.component, h.key, json_build_object(
        'rule_id', split_part(m.component, '.', -2) || '|' || h.key,
        'component', m.component,
        'type', 'rule',
        'key', h.key,
        'details', h.details || jsonb_build_object('type', 'rule', 'error_key', h.key),
        'tags', m.tags,
        'links', m.links) as report
    from mine m
    cross join jsonb_to_recordset(m.hits) h (key text, details jsonb)
    union all
    select r ->> 'component', r ->> 'key', r
    from json_array_elements(analyze_archive.python -> 'reports') r
    where not exists (
      select from mine m
      where regexp_replace(m.component, '\.report$', '') = regexp_replace(r ->> 'component', '\.report$', ''))
  )
  select count(*)::integer, coalesce(json_agg(h.report order by h.component collate "C", h.key collate "C"),
    '[]')
  into hits, reports
  from hit h;

  message := result_message(
    a,
    json_build_object(
      'reports', reports,
      'info', coalesce(python -> 'info', '[]'),
      'pass', coalesce(python -> 'pass', '[]'),
      'version', python -> 'version',
      'plugin_sets', coalesce(python -> 'plugin_sets', json_build_object(
        'ccx-notifications', json_build_object('version', analyze_archive.release, 'commit', null)))),
    a.started_at,
    clock_timestamp());

  update analysis j
  set state = 'analyzed', cluster = a.cluster, message = analyze_archive.message, hits = analyze_archive.hits,
    analyzed_at = clock_timestamp(), next_attempt_at = analyze_archive.at + analyze_archive.lease,
    downloaded_at = (facts ->> 'downloaded_at')::timestamptz, archive_bytes = (facts ->> 'bytes')::bigint,
    entries = (facts ->> 'entries')::integer, interruptions = 0, failure = null, error = null
  where j.id = a.id;

  with failures as (
    select r.component, r.reason, r.detail
    from jsonb_to_recordset(ran) r (component text, reason text, detail text)
    where r.reason is not null
    union all
    select r.component, l.reason, l.detail
    from jsonb_to_recordset(analyze_archive.left_out) l (rule text, reason text, detail text)
    join sql_rule r on r.name = l.rule
    union all
    select f.component, f.reason, f.detail
    from json_to_recordset(analyze_archive.python -> 'failures') f (component text, reason text, detail text)
  )
  insert into rule_failure as f (analysis_id, component, reason, detail, failed_at)
  select distinct on (n.component) a.id, n.component, n.reason, left(n.detail, 500), analyze_archive.at
  from failures n
  order by n.component
  on conflict (analysis_id, component) do update
  set reason = excluded.reason, detail = excluded.detail, failed_at = excluded.failed_at;
  get diagnostics failed = row_count;

  update sql_rule r
  set timeouts = case when l.rule is null then 0 else r.timeouts + 1 end,
    suspended_at = case when r.timeouts >= 2 and l.rule is not null then analyze_archive.at
      else r.suspended_at end
  from sql_rule o
  left join jsonb_to_recordset(analyze_archive.left_out) l (rule text) on l.rule = o.name
  where r.name = o.name and (l.rule is not null or r.timeouts > 0 and r.suspended_at is null);

  if analyze_archive.keep then
    perform keep_archive(a, analyze_archive.at);
  end if;
  perform announce('analyzed', jsonb_build_object(
    'request_id', a.request_id, 'cluster', a.cluster, 'hits', analyze_archive.hits,
    'failed_rules', analyze_archive.failed));
  state := 'analyzed';
end $$;

comment on function ccx.analyze_archive(
  bigint, integer, text, text, text[], text[], jsonb, boolean, text, json, jsonb, interval, timestamptz) is
  'Runs the SQL rules on an archive and puts its result into the outbox. state: analyzed, dead or waiting '
  '(why: failure), lost (somebody else has it), or rules_changed (read the archive again).';
