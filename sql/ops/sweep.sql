-- Runs every minute: whatever a lost wake-up left is picked up, what only waited for time to pass is asked
-- again, messages too old to be tried again are given up, and tomorrow has its partitions.
create or replace function ccx.sweep(at timestamptz default now())
  returns table (cooldowns_ended integer, woken text[])
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  marked integer;
begin
  perform ensure_partitions(sweep.at);
  perform expire_notifications(sweep.at);
  -- graphile-worker leaves a dead row when a task fails while the next wake-up for it is queued; we wake
  -- tasks anyway
  perform graphile_worker.complete_jobs(array(
    select j.id from graphile_worker.jobs j where j.attempts >= j.max_attempts and j.locked_at is null));
  select mark_due(array_agg(d.org_id), array_agg(d.cluster), array_agg(d.by_report)),
    count(*) filter (where d.has_ended)
  into marked, cooldowns_ended
  from (
    select e.org_id, e.cluster, false as by_report, true as has_ended from take_ended_holds(sweep.at) e
    union all
    select s.org_id, s.cluster, s.by_report, false from take_stuck(sweep.at) s
  ) d;
  delete from reported_elsewhere e where e.notified_at < sweep.at - longest_cooldown(sweep.at);
  perform count_fleet(sweep.at);

  woken := '{}';
  if exists (select from decision_due) or exists (select from decision_request r where r.due_at <= sweep.at)
    then
    perform wake_decide();
    woken := woken || 'decide'::text;
  end if;
  woken := woken || wake_due_deliveries(sweep.at);
  if exists (select from upload_message m where m.due_at <= sweep.at) then
    perform wake_announcements();
    woken := woken || 'announce_uploads'::text;
  end if;
  return next;
end $$;

comment on function ccx.sweep(timestamptz) is
  'Asks again for issues whose cooldown, spacing, damping, silence or wait after a failed rendering ended '
  'since the last sweep (clusters that reported within a day), wakes tasks that have work waiting, and '
  'makes partitions ahead.';
