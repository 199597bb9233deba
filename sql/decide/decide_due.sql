-- Decides for the clusters that wait longest, for all targets: ledger, outbox, reported and the wake-up of
-- the delivery commit together.
--
-- The clock is read after take_due() has the rows of decision_due: then the reports that this decision saw
-- are exactly those that were known by its time, and decide(…, at) gives the same answer for ever.
create or replace function ccx.decide_due(
  batch_size integer, at timestamptz default null, only_orgs bigint[] default null,
  only_clusters text[] default null
)
returns table (clusters integer, notifications integer, notified integer, held integer, decisions jsonb,
  traced jsonb)
language plpgsql volatile
set search_path = public, ccx, pg_temp
-- a thousand clusters of a million: whatever statistics say, look them up by index, in the order in which
-- decide() names its tables
set random_page_cost = 1.1
set join_collapse_limit = 1
set max_parallel_workers_per_gather = 0
as $$
#variable_conflict use_column
declare
  orgs bigint[];
  names text[];
  by_report boolean[];
  issues_to_notify issue_to_notify[];
  notified_before last_notification[];
  target text;
  is_live constant boolean := at is null;
begin
  -- cooldowns are on their way from tables of another service, or back
  if exists (select from side_by_side s where s.mode in ('adopting', 'leaving')) then
    return query select 0, 0, 0, 0, '[]'::jsonb, null::jsonb;
    return;
  end if;
  -- first, since the sweep takes the lock of it before rows of decision_due, too
  perform ensure_partition('reported', (coalesce(at, clock_timestamp()) at time zone 'UTC')::date);
  if only_clusters is null then
    perform expand_decision_request(batch_size, coalesce(at, clock_timestamp()));
    perform release_caught_up(batch_size);
  end if;

  select d.org_ids, d.clusters, d.by_report into orgs, names, by_report
  from take_due(batch_size, at, only_orgs, only_clusters) d;
  at := coalesce(at, clock_timestamp());
  clusters := coalesce(cardinality(orgs), 0);
  if clusters = 0 then
    notifications := 0;
    notified := 0;
    held := 0;
    decisions := '[]';
    return next;
    return;
  end if;

  select b.orgs, b.names, b.by_report into orgs, names, by_report
  from brake(at, orgs, names, by_report) b;

  -- what another service notified, and what could not be imported when it did
  if exists (select from reported_elsewhere e where lower(e.cluster) = any (names)) and not is_shadow() then
    perform import_reported(at, names);
  end if;

  -- `execute` plans anew each time, with the clusters at hand: a plan kept for any clusters, or none, reads
  -- all issues. (plan_cache_mode on the function does that too, but also plans every foreign key check anew:
  -- 290 ms against 155.) Of what is held only the outcome is kept: to carry all answers along as rows of a
  -- type cost as much as the decision.
  execute $query$
    with answer as materialized (
      select d.target_id, d.org_id, d.cluster, d.issue_id, d.occurrence, d.content_id, d.policy_id,
        d.last_seen, d.total_risk,
        d.issue_state = 'resolved' as resolved, d.decision = 'notify' as is_notified, d.qualifies,
        'target_disabled' = any (d.reasons) as is_off, d.last_notified_at, due.by_report, d.reasons,
          d.component
      from decide(null, $1, $3) d
      join unnest($2, $3, $4) as due (org_id, cluster, by_report) on due.org_id = d.org_id
        and due.cluster = d.cluster
    ), changed as materialized (
      select q.target_id, max(bound.at) + interval '1 day' as until
      from policy q
      cross join lateral (values (lower(q.validity)), (upper(q.validity))) bound (at)
      where bound.at <= $1
      group by q.target_id
    ), recorded as (
      -- reports that nobody is notified of, at once; the others when their delivery has ended
      insert into reported
        (org_id, account_number, cluster, notification_type, state, report, updated_at, notified_at,
          error_log, event_type_id)
      select a.org_id, l.account_number, a.cluster, 1, case when a.qualifies then 2 else 3 end, '',
        l.updated_at, $1, '',
        a.target_id
      from (
        select a.org_id, a.cluster, a.target_id, bool_or(a.qualifies) as qualifies
        from answer a
        where a.by_report and not (select is_shadow())
        group by a.org_id, a.cluster, a.target_id
        having not bool_or(a.is_notified) and not bool_and(a.is_off)
      ) a
      join latest_report l on l.org_id = a.org_id and l.cluster = a.cluster
      on conflict do nothing
    )
    select
      coalesce(array_agg((a.target_id, a.org_id, a.cluster, a.issue_id, a.occurrence, a.content_id,
        a.policy_id, a.last_seen,
        a.total_risk, a.resolved, a.component)::issue_to_notify) filter (where a.is_notified), '{}'),
      count(*) filter (where not a.is_notified),
      -- The ledger's periods follow a cooldown that changed since (decide() counts by the policy in force,
      -- the constraint by the period in the row). Looked up only for what was notified before the last
      -- change, or not long after it: a change counts from the beginning of its transaction, and decisions
      -- that were taken before its end did not know it.
      array_agg((a.issue_id, a.target_id, a.policy_id, a.last_notified_at)::last_notification)
        filter (where a.last_notified_at < changed.until),
      -- for the metrics of the process: of an issue that several reasons hold, each of them
      (
        select coalesce(jsonb_agg(jsonb_build_object(
          'target', t.name, 'reasons', c.reasons, 'count', c.issues)), '[]')
        from (
          select b.target_id, b.reasons, count(*) as issues
          from answer b
          group by b.target_id, b.reasons
        ) c
        join event_targets t on t.id = c.target_id
      )
    from answer a
    left join changed on changed.target_id = a.target_id
  $query$
  into issues_to_notify, held, notified_before, decisions
  using at, orgs, names, by_report;

  if notified_before is not null then
    perform renew_cooldowns(array_agg(b.issue_id), array_agg(b.target_id), array_agg(b.notified_at),
      array_agg(p.cooldown))
    from unnest(notified_before) b
    join policy p on p.id = b.policy_id;
  end if;
  select q.notifications, q.notified, q.traced into notifications, notified, traced
    from queue_notifications(issues_to_notify, at) q;
  if issues_to_notify <> '{}' then
    perform count_notified(issues_to_notify, at);
  end if;

  -- the clock went back (another server took over): what is known only from later on is asked again then
  if is_live then
    perform mark_due(array_agg(l.org_id), array_agg(l.cluster), array_agg(true), max(l.received_at))
    from unnest(orgs, names) as d (org_id, cluster)
    join latest_report l on l.org_id = d.org_id and l.cluster = d.cluster
    where l.received_at > at
    having count(*) > 0;
  end if;

  perform announce('decided', jsonb_build_object(
    'clusters', clusters, 'notifications', notifications, 'notified', notified, 'held', held));

  for target in
    select t.name
    from event_targets t
    where t.id in (select i.target_id from unnest(issues_to_notify) i)
  loop
    perform wake_delivery(target);
  end loop;
  return next;
end $$;

comment on function ccx.decide_due(integer, timestamptz, bigint[], text[]) is
  'Decides for up to batch_size waiting clusters (or only these) and commits ledger, outbox, reported and '
  'the wake-up together. Returns clusters, messages, issues notified and held, how many by target and '
  'reasons, and the traces of messages.';
