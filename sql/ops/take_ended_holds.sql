-- What ends by itself, by the passing of time alone: cooldowns, spacing, damping, the wait after a failed
-- rendering, silences.
create or replace function ccx.take_ended_holds(at timestamptz)
  returns table (org_id bigint, cluster text)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  swept_until timestamptz;
begin
  select m.cooldowns_until into swept_until from sweep_mark m for update skip locked;
  -- somebody else is at it, or left a transaction open; the next sweep takes up where the last one ended
  if not found then
    return;
  end if;
  return query
  select distinct e.org_id, e.cluster
  from (
    select i.org_id, i.cluster
    from notified_issue n
    join issue i on i.id = n.issue_id
    where n.live
      and not n.resolved
      and upper(n.cooldown_period) > swept_until
      and upper(n.cooldown_period) <= take_ended_holds.at
      -- without a cooldown it is notified with every report, not with every sweep
      and upper(n.cooldown_period) > lower(n.cooldown_period)
      and i.closed_at is null
    union all
    select n.org_id, n.cluster
    from notification n
    join policy p on p.target_id = n.target_id and p.validity @> take_ended_holds.at
      and p.spacing > interval '0'
      and (p.org_id is null or p.org_id = n.org_id)
    where n.replay_of is null
      and add_in_utc(n.decided_at, p.spacing) > swept_until
      and add_in_utc(n.decided_at, p.spacing) <= take_ended_holds.at
    union all
    select i.org_id, i.cluster
    from occurrence o
    join issue i on i.id = o.issue_id
    join policy p on p.validity @> take_ended_holds.at and p.flapping_action = 'damp'
      and (p.org_id is null or p.org_id = i.org_id)
    where add_in_utc(o.known_from, p.flapping_window) > swept_until
      and add_in_utc(o.known_from, p.flapping_window) <= take_ended_holds.at
      and i.occurrence >= o.occurrence + p.flapping_occurrences - 1
    union all
    select i.org_id, i.cluster
    from render_failure f
    join issue i on i.id = f.issue_id
    where upper(f.held_period) > swept_until
      and upper(f.held_period) <= take_ended_holds.at
  ) e
  join latest_report l on l.org_id = e.org_id and l.cluster = e.cluster
  where within_reevaluation_window(l.updated_at, take_ended_holds.at);
  perform request_decisions('silence ended', silence_id => s.id, at => take_ended_holds.at)
  from silence s
  where upper(s.in_force) > swept_until and upper(s.in_force) <= take_ended_holds.at;
  update sweep_mark set cooldowns_until = greatest(cooldowns_until, take_ended_holds.at);
end $$;

comment on function ccx.take_ended_holds(timestamptz) is
  'The clusters whose cooldown, spacing, damping or wait after a failed rendering ended since the last time '
  '(and that reported within a day), which have to wait for a decision; what a silence held is requested.';
