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
