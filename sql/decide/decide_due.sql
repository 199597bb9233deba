-- Decides for the clusters that wait longest, for all targets: ledger, outbox, reported and the wake-up of the
-- delivery commit together.
--
-- Taking the rows of decision_due is a statement of its own: only a later statement's snapshot is sure to see the
-- reports that were committed before we got the row lock. The clock is read after it, too: then the reports that this
-- decision saw are exactly those that were known by its time, and decide(…, at) gives the same answer for ever.
create or replace function ccx.decide_due(batch_size integer, at timestamptz default null)
returns table (clusters integer, notifications integer, notified integer, held integer)
language plpgsql volatile
set search_path = public, ccx, pg_temp
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
  issues_to_notify issue_to_notify[];
  target text;
begin
  -- first, since the sweep takes the lock of it before rows of decision_due, too
  perform ensure_partition('reported', (coalesce(at, clock_timestamp()) at time zone 'UTC')::date);
  perform expand_decision_request(batch_size, coalesce(at, clock_timestamp()));

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
  notified := 0;
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
        d.issue_state = 'resolved' as resolved, d.decision = 'notify' as is_notified, d.qualifies,
        'target_disabled' = any (d.reasons) as is_off, d.last_notified_at, due.by_report
      from decide(null, $1, $3) d
      join unnest($2, $3, $4) as due (org_id, cluster, by_report) on due.org_id = d.org_id and due.cluster = d.cluster
    ), renewed as (
      -- The ledger's periods follow a cooldown that changed since (decide() counts by the policy in force, the constraint by
      -- the period in the row). Looked up only for what was notified before the last change, or not long after it: a change counts
      -- from the beginning of its transaction, and decisions that were taken before its end did not know it.
      update notified_issue n
      set cooldown_period = cooldown_period(n.notified_at, p.cooldown)
      from (
        select a.issue_id, a.target_id, a.policy_id, a.last_notified_at
        from answer a
        join (
          select q.target_id, max(bound.at) as at
          from policy q
          cross join lateral (values (lower(q.validity)), (upper(q.validity))) bound (at)
          where bound.at <= $1
          group by q.target_id
        ) changed on changed.target_id = a.target_id and a.last_notified_at < changed.at + interval '1 day'
        offset 0
      ) a
      join policy p on p.id = a.policy_id
      where n.issue_id = a.issue_id
        and n.target_id = a.target_id
        and n.notified_at = a.last_notified_at
        and n.live
        and not n.resolved
        and n.cooldown_period <> cooldown_period(n.notified_at, p.cooldown)
    ), recorded as (
      -- reports that nobody is notified of, at once; the others when their delivery has ended
      insert into reported
        (org_id, account_number, cluster, notification_type, state, report, updated_at, notified_at, error_log, event_type_id)
      select a.org_id, l.account_number, a.cluster, 1, case when a.qualifies then 2 else 3 end, '', l.updated_at, $1, '',
        a.target_id
      from (
        select a.org_id, a.cluster, a.target_id, bool_or(a.qualifies) as qualifies
        from answer a
        where a.by_report
        group by a.org_id, a.cluster, a.target_id
        having not bool_or(a.is_notified) and not bool_and(a.is_off)
      ) a
      join latest_report l on l.org_id = a.org_id and l.cluster = a.cluster
      on conflict do nothing
    )
    select
      coalesce(array_agg((a.target_id, a.org_id, a.cluster, a.issue_id, a.occurrence, a.content_id, a.policy_id, a.last_seen,
        a.total_risk, a.resolved)::issue_to_notify) filter (where a.is_notified), '{}'),
      count(*) filter (where not a.is_notified)
    from answer a
  $query$
  into issues_to_notify, held
  using at, orgs, names, by_report;

  with to_notify as (
    -- one message holds at most max_events issues of one cluster, all of them open or all of them gone; where its
    -- issues follow several policies, the smallest max_events counts
    select i.*, p.cooldown,
      (row_number() over (
        partition by i.target_id, i.org_id, i.cluster, i.resolved
        order by i.total_risk desc, i.issue_id) - 1)
      / min(p.max_events) over (partition by i.target_id, i.org_id, i.cluster, i.resolved) as message
    from unnest(issues_to_notify) i
    join policy p on p.id = i.policy_id
  ), message as materialized (
    -- the issues travel along as arrays: joined back to their message, the planner, which expects one row of each,
    -- compared all with all (300 ms for the 2,000 issues of 1,000 clusters)
    select nextval(pg_get_serial_sequence('notification', 'id')) as id, m.*
    from (
      select t.target_id, t.org_id, t.cluster, t.resolved, t.message, t.last_seen,
        array_agg(t.issue_id) as issue_ids, array_agg(t.occurrence) as occurrences,
        array_agg(t.content_id) as content_ids, array_agg(t.policy_id) as policy_ids, array_agg(t.cooldown) as cooldowns
      from to_notify t
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
      (notification_id, issue_id, target_id, notified_at, cooldown_period, occurrence, content_id, policy_id, resolved)
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
  select count(distinct l.notification_id), count(*) into notifications, notified from ledger l;

  -- a message all of whose issues the ledger refused has nothing to say
  if notified < cardinality(issues_to_notify) then
    delete from notification n
    where n.decided_at = decide_due.at
      and n.state = 'pending'
      and (n.org_id, n.cluster) in (select o, c from unnest(orgs, names) as due (o, c))
      and not exists (select from notified_issue i where i.notification_id = n.id);
  end if;

  perform announce('decided', jsonb_build_object(
    'clusters', clusters, 'notifications', notifications, 'notified', notified, 'held', held));

  -- The last statement, since the jobs' rows stay locked until we commit; in the same order for everybody, since two
  -- decisions at once would wait for each other in a circle.
  for target in
    select t.name
    from event_targets t
    where t.id in (select i.target_id from unnest(issues_to_notify) i)
    order by t.id
  loop
    perform wake_delivery(target);
  end loop;
  return next;
end $$;

comment on function ccx.decide_due(integer, timestamptz) is
  'Decides for up to batch_size waiting clusters and commits ledger, outbox, reported and the wake-up job together. Returns how many clusters were taken, messages queued, issues notified and issues held.';
