-- Hands out messages that are due. The lease is next_attempt_at itself: a worker that dies simply lets it
-- pass. `skip locked` lets any number of workers claim at once; ordering by due time keeps a message that
-- fails again and again from standing in front of the others.
--
-- A message waits until earlier decisions about its cluster have ended, so that whoever reads them in the
-- order in which they come reads the latest last; those of one decision name different issues, and go
-- together.
--
-- While the circuit of the target is open nothing is handed out, but for the probe when it is time: three
-- messages, to one worker, which of the hundred that are due longest have been tried least. (One that the
-- receiver chokes on must not be the probe each time.) The lease of the probe ends like any other when its
-- worker dies.
create or replace function ccx.claim_due(target text, batch_size integer, lease interval, at timestamptz)
  returns setof notification
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
      -- behind an earlier decision about its cluster (a subquery, not `not exists`: looked up row by row by
      -- index, whatever the planner expects)
      and (
        select e.id
        from notification e
        where e.cluster = n.cluster and e.org_id = n.org_id and e.decided_at < n.decided_at
          and e.target_id = n.target_id and e.state = 'pending'
        limit 1) is null
      and (exists (select from probe) or not exists (
        select from circuit c
        where c.target_id = (select t.id from event_targets t where t.name = target)
          and c.opened_at is not null))
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
        -- a lease that nobody ended: its worker may have sent it
        may_be_out = n.may_be_out or n.leased_until is not null,
        first_tried_at = case when n.may_be_out or n.leased_until is not null
          then coalesce(n.first_tried_at, at) else at end
    from taken
    where n.id = taken.id
    returning n.*
  ), probing as (
    update circuit c
    set probe_until = at + lease, probe_messages = array(select k.id from claimed k)
    from probe
    where c.target_id = probe.target_id and exists (select from claimed)
  )
  select * from claimed;
end;

comment on function ccx.claim_due(text, integer, interval, timestamptz) is
  'Takes up to batch_size messages that are due for this target for the length of the lease; a few or none '
  'while its circuit is open.';
