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
  updated_at timestamptz, decided_at timestamptz, resolved boolean, issues jsonb
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
    returning n.id, n.message_id, n.attempts, n.org_id, n.account_number, n.cluster, n.updated_at, n.decided_at, n.resolved
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
    where n.notification_id = c.id
  ) said
  order by c.id;
end;

comment on function claim_notifications(text, integer, interval, timestamptz) is
  'Takes up to batch_size messages that are due for this target for the length of the lease, with the issues to tell and the details of their hits.';
