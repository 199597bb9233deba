-- One message holds at most max_events issues of one cluster, all of them open or all of them gone; where its
-- issues follow several policies, the smallest max_events counts. What the ledger refuses is left out of its
-- message.
create or replace function ccx.queue_notifications(issues issue_to_notify[], at timestamptz)
returns table (notifications integer, notified integer, traced jsonb)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  entries notified_issue[];
begin
  with followed as materialized (
    -- the period once for each policy: as an expression of each issue it costs as much as an index entry
    select p.id, p.max_events, cooldown_period(at, p.cooldown) as period
    from policy p
    where p.id = any (array(select i.policy_id from unnest(issues) i))
  ), to_notify as (
    select i.*, p.period,
      (row_number() over (
        partition by i.target_id, i.org_id, i.cluster, i.resolved
        order by i.total_risk desc, i.issue_id) - 1)
      / min(p.max_events) over (partition by i.target_id, i.org_id, i.cluster, i.resolved) as message
    from unnest(issues) i
    join followed p on p.id = i.policy_id
  ), message as materialized (
    -- the issues travel along as arrays: joined back to their message, the planner, which expects one row of
    -- each, compared all with all (300 ms for the 2,000 issues of 1,000 clusters)
    select nextval(pg_get_serial_sequence('notification', 'id')) as id, m.*
    from (
      select t.target_id, t.org_id, t.cluster, t.resolved, t.message, t.last_seen,
        array_agg(t.issue_id) as issue_ids, array_agg(t.occurrence) as occurrences,
        array_agg(t.content_id) as content_ids, array_agg(t.policy_id) as policy_ids,
          array_agg(t.period) as periods
      from to_notify t
      group by t.target_id, t.org_id, t.cluster, t.resolved, t.message, t.last_seen
      order by t.target_id, t.org_id, t.cluster, t.resolved, t.message
    ) m
  ), sent_to_outbox as (
    insert into notification
      (id, target_id, org_id, account_number, cluster, updated_at, decided_at, next_attempt_at, resolved,
        traceparent)
    select m.id, m.target_id, m.org_id, l.account_number, m.cluster, coalesce(m.last_seen, l.updated_at), at,
      at, m.resolved, (
        select r.traceparent from new_reports r
        where r.org_id = l.org_id and r.cluster = l.cluster and r.updated_at = l.updated_at)
    from message m
    join latest_report l on l.org_id = m.org_id and l.cluster = m.cluster
    returning id, traceparent
  )
  select array_agg((m.id, i.issue_id, i.content_id, i.policy_id, at, 'infinity', m.target_id, i.occurrence,
    m.resolved, null, false, i.period, '{}', null)::notified_issue),
    (select jsonb_agg(jsonb_build_object('id', s.id::text, 'traceparent', s.traceparent))
      filter (where s.traceparent is not null) from sent_to_outbox s)
  into entries, traced
  from message m
  cross join lateral unnest(m.issue_ids, m.occurrences, m.content_ids, m.policy_ids, m.periods)
    as i (issue_id, occurrence, content_id, policy_id, period);

  select count(distinct e.notification_id), count(*) into notifications, notified
    from enter_notified(entries) e;
  -- a message all of whose issues the ledger refused has nothing to say
  if notified < cardinality(entries) then
    perform drop_empty_messages(array(select e.notification_id from unnest(entries) e));
  end if;
  return next;
end $$;

comment on function ccx.queue_notifications(issue_to_notify[], timestamptz) is
  'Puts these issues into the outbox, as few messages as their policies allow, and enters them into the '
  'ledger; returns how many messages and issues that are, and the traces that messages belong to.';
