-- Runs every minute: whatever a lost wake-up left is picked up, what only waited for time to pass is asked again, messages
-- too old to be tried again are given up, and tomorrow has its partitions.
create or replace function ccx.sweep(at timestamptz default now()) returns table (cooldowns_ended integer, woken text[])
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  swept_until timestamptz;
  target text;
begin
  perform ensure_partitions(sweep.at);
  perform expire_notifications(sweep.at);
  -- graphile-worker leaves a dead row when a task fails while the next wake-up for it is queued; we wake tasks anyway
  perform graphile_worker.complete_jobs(array(
    select j.id from graphile_worker.jobs j where j.attempts >= j.max_attempts and j.locked_at is null));

  select m.cooldowns_until into swept_until from sweep_mark m for update;
  -- what ends by itself: cooldowns, spacing, damping, the wait after a failed rendering
  insert into decision_due (org_id, cluster)
  select distinct e.org_id, e.cluster
  from (
    select i.org_id, i.cluster
    from notified_issue n
    join issue i on i.id = n.issue_id
    where n.live
      and not n.resolved
      and upper(n.cooldown_period) > swept_until
      and upper(n.cooldown_period) <= sweep.at
      -- without a cooldown it is notified with every report, not with every sweep
      and upper(n.cooldown_period) > lower(n.cooldown_period)
      and i.closed_at is null
    union all
    select n.org_id, n.cluster
    from notification n
    join policy p on p.target_id = n.target_id and p.validity @> sweep.at and p.spacing > interval '0'
      and (p.org_id is null or p.org_id = n.org_id)
    where n.replay_of is null
      and add_in_utc(n.decided_at, p.spacing) > swept_until
      and add_in_utc(n.decided_at, p.spacing) <= sweep.at
    union all
    select i.org_id, i.cluster
    from occurrence o
    join issue i on i.id = o.issue_id
    join policy p on p.validity @> sweep.at and p.flapping_action = 'damp' and (p.org_id is null or p.org_id = i.org_id)
    where add_in_utc(o.known_from, p.flapping_window) > swept_until
      and add_in_utc(o.known_from, p.flapping_window) <= sweep.at
      and i.occurrence >= o.occurrence + p.flapping_occurrences - 1
    union all
    select i.org_id, i.cluster
    from render_failure f
    join issue i on i.id = f.issue_id
    where upper(f.held_period) > swept_until
      and upper(f.held_period) <= sweep.at
  ) e
  join latest_report l on l.org_id = e.org_id and l.cluster = e.cluster
  where within_reevaluation_window(l.updated_at, sweep.at)
  order by e.org_id, e.cluster
  on conflict (org_id, cluster) do update set due_at = decision_due.due_at;
  get diagnostics cooldowns_ended = row_count;
  perform request_decisions('silence ended', silence_id => s.id, at => sweep.at)
  from silence s
  where upper(s.in_force) > swept_until and upper(s.in_force) <= sweep.at;
  update sweep_mark set cooldowns_until = greatest(cooldowns_until, sweep.at);

  woken := '{}';
  if exists (select from decision_due) or exists (select from decision_request r where r.due_at <= sweep.at) then
    perform wake_decide();
    woken := woken || 'decide'::text;
  end if;
  for target in
    select t.name
    from event_targets t
    where next_delivery_at(t.id) <= sweep.at
    order by t.id
  loop
    perform wake_delivery(target);
    woken := woken || target;
  end loop;
  return next;
end $$;

comment on function ccx.sweep(timestamptz) is
  'Asks again for issues whose cooldown, spacing, damping, silence or wait after a failed rendering ended since the last sweep (clusters that reported within a day), wakes tasks that have work waiting, and makes partitions ahead.';
