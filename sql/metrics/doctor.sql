-- Each finding once, with figures, so that whoever reads it at night need not look for them. Thresholds are
-- those at which somebody should act, not those at which a curve bends.
create or replace view doctor with (security_invoker = true) as
select f.severity, f.topic, f.finding, f.meaning, f.what_to_do
from (
  select 'error' as severity, 'content' as topic, 'no rule has content' as finding,
    'every issue is held as no_content' as meaning,
    'set CCX_CONTENT_URL for a worker, or run: ccx content load FOLDER' as what_to_do
  from metrics_content c
  where c.rules_in_force = 0
  union all
  select 'warning', 'content', format('content last changed %s days ago', floor(c.age_seconds / 86400)),
    'rules may have been published that nobody is notified of',
    'look for “content not fetched” in the log of the workers; run: ccx content fetch'
  from metrics_content c
  where c.age_seconds > 30 * 86400
  union all
  select 'warning', 'content', format('loads of content are refused since %s', g.held_since),
    'rules stay as they were before',
      'if it is meant: ccx content accept; why: select held_reason from content_guard'
  from content_guard g
  where g.held_since is not null
  union all
  select 'warning', 'content', format('%s rules or error keys do not conform', c.refused_rules),
    'they keep their old version, or their issues are held as no_content', 'select * from refused_content'
  from metrics_content c
  where c.refused_rules > 0
  union all
  select 'warning', 'content', format('%s rules that reports name have no content', c.missing_rules),
    'their issues are held as no_content', 'select * from missing_content'
  from metrics_content c
  where c.missing_rules > 0
  union all
  select 'warning', 'registry',
    format('the source %s of the registry of clusters has failed for %s minutes: %s', s.source,
      floor(m.failing_seconds / 60), s.failure),
    'clusters keep the names and states that they had, and new ones have their ids for names',
    format('mend what the failure says, then: ccx registry fetch (--yes, if so much is meant to change); if '
      'nobody uses it any more, take its URL out of the configuration, and then: ccx registry end %s',
      s.source)
  from metrics_registry m
  join registry_source s on s.source = m.source
  where m.failing_seconds > 15 * 60
  union all
  select 'warning', 'registry',
    format('nobody has asked the source %s of the registry of clusters for %s minutes, though it is to be '
        'asked every %s minutes', s.source, floor(extract(epoch from now() - s.asked_at) / 60),
      floor(extract(epoch from s.asked_every) / 60)),
    'its clusters keep the names and states that they had, and new ones have their ids for names',
    case s.source
      when 'http' then 'start a worker with CCX_REGISTRY_URL'
      else format('load it: ccx registry load FILE --source %s', s.source)
    end || format('; if nobody uses it any more: ccx registry end %s', s.source)
  from metrics_registry m
  join registry_source s on s.source = m.source
  where m.missed_rounds > 3
  union all
  select 'warning', 'registry',
    format('%s lines of the source %s of the registry of clusters do not conform', m.refused_lines, m.source),
    'their clusters stay as they were, or are not there', 'ccx registry sources'
  from metrics_registry m
  where m.refused_lines > 0
  union all
  -- a large one takes minutes, and whoever runs it sees how far it is
  select 'error', 'adoption',
    format('%s was begun %s minutes ago and has not ended',
      case s.mode when 'leaving' then 'ccx adopt --undo' else 'ccx adopt' end,
      floor(a.unfinished_seconds / 60)),
    'nothing is decided until it ends',
    case s.mode
      when 'leaving' then 'if it does not run any more, run it again: ccx adopt --undo'
      else 'if it does not run any more, run it again: ccx adopt; or go back: ccx adopt --undo'
    end
  from metrics_adoption a
  cross join side_by_side s
  where a.unfinished_seconds > 15 * 60
  union all
  select 'warning', 'policy', 'no target is switched on', 'nobody is notified of anything',
    'ccx policy set enabled=true --target TARGET --reason TEXT'
  where not exists (
    select from policies p where p.enabled and p.org_id is null and p.rule_name is null)
  union all
  -- only the target-wide policy: a narrower one may hold everything on purpose
  select 'warning', 'policy', format('the policy of %s holds every rule that has content', t.name),
    'nobody is notified through this target unless a policy of an organization or rule lets it through',
    format('ccx policy list; ccx policy simulate SETTING=VALUE --target ''%s''', t.name)
  from policy p
  join event_targets t on t.id = p.target_id
  where p.validity @> now() and p.org_id is null and p.rule_name is null and p.enabled
    and exists (select from rule_content c where upper_inf(c.validity))
    and not exists (
      select
      from rule_content c
      left join filter_result r on r.policy_id = p.id and r.content_id = c.id
      where upper_inf(c.validity) and policy_reasons(p, c, true, r.passes) = '{}')
  union all
  select 'warning', 'deliver', format('%s messages to %s were given up', o.dead_messages, o.target),
    'customers have not been notified of these issues',
    format('ccx delivery dead --target ''%s''; mend the cause, then ccx delivery redrive', o.target)
  from metrics_outbox o
  where o.dead_messages > 0
  union all
  select 'warning', 'deliver',
    format('%s messages to %s wait, the oldest for %s minutes', o.waiting_messages, o.target,
      floor(o.oldest_waiting_seconds / 60)),
    'customers are notified late; no worker delivers to this target, or its receiver refuses',
    format('select * from delivery_gap where target = %L order by age desc limit 20', o.target)
  from metrics_outbox o
  where o.oldest_waiting_seconds > 15 * 60
  union all
  select 'warning', 'deliver', format('the circuit of %s is %s: %s', c.target, c.state, c.last_error),
    'its receiver is down or asks for time; nothing is lost, messages wait',
    'mend the receiver or what the error says; the circuit closes by itself'
  from delivery_circuit c
  where c.state <> 'closed'
  union all
  select 'warning', 'decide',
    format('%s clusters wait for a decision, the oldest for %s minutes', d.clusters_waiting,
      floor(d.oldest_waiting_seconds / 60)),
    'customers are notified late', 'look for “decided” in the log of the workers; start more of them'
  from metrics_decide d
  where d.oldest_waiting_seconds > 10 * 60
  union all
  select 'warning', 'ingest',
    format('the last report was stored %s minutes ago', floor(r.newest_age_seconds / 60)),
    'no report arrives, or nobody consumes',
    'look for “ingested” and warnings in the log of the consumers'
  from metrics_reports r
  where r.newest_age_seconds > 3 * 3600
  union all
  select 'warning', 'rejected',
    format('%s messages were rejected within an hour', sum(j.last_hour_messages)),
    'their reports are not decided upon', 'select * from rejected_summary; docs/guides/rejected-messages.md'
  from metrics_rejected j
  having sum(j.last_hour_messages) > 0
  union all
  select 'warning', 'upload', format('%s announcements of archives were given up', u.dead_messages),
    'nobody analyzes these archives',
    'select request_id, failure from upload_status where state = ''not announced''; mend the cause, then '
      'select redrive_announcements()'
  from metrics_upload u
  where u.kind = 'announcement' and u.dead_messages > 0
  union all
  select 'warning', 'upload',
    format('%s %s of uploads wait for Kafka, the oldest for %s minutes', u.waiting_messages,
      case u.kind when 'announcement' then 'announcements' else 'statuses' end,
      floor(u.oldest_waiting_seconds / 60)),
    case u.kind when 'announcement' then 'archives are analyzed late' else 'payload trackers are behind' end,
    format('select error, count(*) from upload_message where kind = %L and due_at is not null group by 1',
      u.kind)
  from metrics_upload u
  where u.oldest_waiting_seconds > 10 * 60
  union all
  select 'warning', 'upload', 
    format('contents of archives in the store %s are kept for longer than they should be', a.store),
    'the store fills up; no worker that has this store removes them',
    'look for “an archive cannot be removed yet” in the log of the workers; compare their CCX_ARCHIVE_STORE'
  from (values ('database'), ('folder'), ('s3')) a (store)
  where exists (
    select from archive k
    where k.store = a.store and k.removed_at is null
      and k.stored_at < now() - interval '3 hours' - (select l.keep from archive_limits l))
  union all
  select 'warning', 'analyze', format('%s archives wait since most of their rules took too long', count(*)),
    'their results come late; after twelve tries they are given up',
    'give the database and the analyzers more processor time, or raise CCX_RULE_TIMEOUT_MS; select error, '
      'count(*) from analysis where failure = ''overloaded'' group by 1'
  from analysis a
  where a.state = 'waiting' and a.next_attempt_at is not null and a.failure = 'overloaded'
  having count(*) > 0
  union all
  select 'warning', 'retain',
    format('%s days of %s are past and cannot be dropped', r.held_partitions, r.parent),
    'the disk fills', format('select name, held_by from partitions where parent = %L and is_past', r.parent)
  from metrics_retention r
  where r.held_partitions > 0
  union all
  select 'error', 'worker', 'no worker lives', 'nothing is decided or delivered', 'start one: ccx work'
  from metrics_worker w
  where w.alive = 0
  union all
  select 'warning', 'worker', format('%s workers fell silent', w.silent),
    'they were killed or hang; another worker frees their jobs after 90 seconds', 'select * from worker'
  from metrics_worker w
  where w.silent > 0
  union all
  select 'warning', 'queue', format('%s job runs since %s', j.task_identifier, j.locked_at),
    'its worker may hang; no other takes this job meanwhile',
    format('look for worker %s in the table worker, and for what its session waits for', j.locked_by)
  from graphile_worker.jobs j
  where j.locked_at < now() - interval '1 hour'
  union all
  select 'warning', 'queue', format('%s jobs of %s failed for the last time', q.failed_jobs, q.task),
    'the next wake-up or sweep does their work, unless it fails in the same way',
    format('select last_error from graphile_worker.jobs where task_identifier = %L', q.task)
  from metrics_queue q
  where q.failed_jobs > 0
  union all
  select 'warning', 'database', format('a transaction is open for %s minutes (session %s, %s)',
      floor(extract(epoch from now() - s.transaction_since) / 60), s.pid,
      coalesce(nullif(s.application_name, ''), 'no name')),
    'vacuum removes nothing that it might see, and retention may wait for its locks',
    format('ask whoever it is (user %s); if nobody knows: select pg_terminate_backend(%s)', s.user_name,
      s.pid)
  from sessions s
  where s.backend_type = 'client backend' and s.transaction_since < now() - interval '15 minutes'
  union all
  select 'warning', 'database', format('the transaction %L has been prepared for %s minutes', s.prepared_as,
      floor(extract(epoch from now() - s.transaction_since) / 60)),
    'it holds its locks, and vacuum removes nothing that it might see, until somebody ends it',
    format('ask whoever prepared it (user %s) to commit it; if nobody knows: rollback prepared %L',
      s.user_name,
      s.prepared_as)
  from sessions s
  where s.backend_type = 'prepared transaction' and s.transaction_since < now() - interval '15 minutes'
  union all
  select 'warning', 'database', format('replication slot %s keeps %s of WAL', s.slot,
      pg_size_pretty(s.retained_bytes::bigint)),
    'the disk of the server fills', format('if nobody needs it: select pg_drop_replication_slot(%L)', s.slot)
  from metrics_replication_slot s
  where s.active = 0 and s.retained_bytes > 1024 ^ 3
  union all
  select 'error', 'database', format('the oldest transaction id is %s old', s.transaction_id_age),
    'at 2 billion the server takes no more writes',
    'end what holds vacuum back (long transactions, slots), then: vacuum freeze'
  from metrics_postgres s
  where s.transaction_id_age > 1.2e9
  union all
  select 'warning', 'database', format('%s of %s connections are used', s.sessions, s.max_sessions),
    'soon nobody can connect', 'lower CCX_DATABASE_POOL_SIZE, or raise max_connections'
  from metrics_postgres s
  where s.sessions > 0.9 * s.max_sessions
  union all
  select 'error', 'privileges', format('%s may not use %s %s', current_user,
      count(*), o.kind || case when count(*) = 1 then '' else 's' end)
      || format(', among them %s', min(o.name)),
    'what needs them fails', 'grant them, or connect as the user that the service is to run as'
  from (
    select 'table' as kind, c.oid::regclass::text as name
    from pg_class c
    where c.relnamespace in ('public'::regnamespace, 'ccx'::regnamespace) and c.relkind in ('r', 'p', 'v')
      and not c.relispartition and not has_table_privilege(c.oid, 'select')
    union all
    select 'function', p.oid::regprocedure::text
    from pg_proc p
    where p.pronamespace in ('public'::regnamespace, 'ccx'::regnamespace)
      and not has_function_privilege(p.oid, 'execute')
  ) o
  -- whoever is in a role of ours has what the role has, and not all
  where not exists (
    select from ccx.database_role d join pg_roles r on r.rolname = d.name where pg_has_role(r.oid, 'usage'))
  group by o.kind
  union all
  select 'warning', 'privileges',
    format('the roles lack %s statements, among them: %s', count(*), min(c.statement)),
    'a part of the service may fail, or somebody sees more than he should', 'ccx migrate --with-roles'
  from ccx.role_change c
  where exists (select from pg_policy p where p.polname = 'ccx_everybody')
    and c.statement <> format('grant ccx_owner to %I', current_user)
  having count(*) > 0
  union all
  select 'warning', 'privileges', format('%s has rights of its own on %s objects, among them %s on %s',
    o.grantee,
      count(*), min(o.rights) filter (where o.nth = 1), min(o.object) filter (where o.nth = 1)),
    'the roles do not hold it back: it sees the rows of every organization, or changes what only the '
      'service changes',
    format('give it a role instead (docs/reference/roles.md), and: %s%s',
      min(o.statement) filter (where o.nth = 1),
      case when count(*) > 1
        then format('; all of them: select * from ccx.other_right where grantee = %L', o.grantee) end)
  from (
    select r.*, row_number() over (partition by r.grantee order by r.object, r.kind) as nth
    from ccx.other_right r
    where not r.is_foreseen
  ) o
  where exists (select from pg_policy p where p.polname = 'ccx_everybody')
  group by o.grantee
) f
order by f.severity, f.topic, f.finding;

comment on view doctor is
  'What somebody should look at, one row for each finding, with what it means and what to do; empty when all '
  'is well. ccx doctor prints it, with what only a program can check.';
comment on column doctor.severity is
  'error: the service cannot do its work; warning: it will not, or does it late';
comment on column doctor.topic is 'what it is about';
comment on column doctor.finding is 'what was found, with figures';
comment on column doctor.meaning is 'what it means for customers or for the service';
comment on column doctor.what_to_do is 'what to do about it, or the query or command that shows more';
