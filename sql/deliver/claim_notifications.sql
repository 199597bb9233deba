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
create or replace function ccx.claim_notifications(
  target text, batch_size integer, lease interval default '2 minutes', at timestamptz default now()
) returns table (
  id bigint, message_id uuid, attempt integer, org_id bigint, account_number bigint, cluster text,
  updated_at timestamptz, decided_at timestamptz, resolved boolean, issues jsonb
)
language sql volatile
set search_path = public, ccx, pg_temp
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

comment on function ccx.claim_notifications(text, integer, interval, timestamptz) is
  'Takes up to batch_size messages that are due for this target for the length of the lease, with the issues to tell and the details of their hits; a few or none while its circuit is open.';
