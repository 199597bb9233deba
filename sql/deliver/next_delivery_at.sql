create or replace function ccx.next_delivery_at(target_id integer) returns timestamptz
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select greatest(
    n.next_attempt_at,
    (select greatest(c.retry_at, c.probe_until) from circuit c
      where c.target_id = next_delivery_at.target_id))
  from notification n
  where n.target_id = next_delivery_at.target_id and n.state = 'pending'
    -- as claim_due() has it: what waits for an earlier decision about its cluster is due with that one
    and (
      select e.id
      from notification e
      where e.cluster = n.cluster and e.org_id = n.org_id and e.decided_at < n.decided_at
        and e.target_id = n.target_id and e.state = 'pending'
      limit 1) is null
  order by n.next_attempt_at
  limit 1;
$$;

comment on function ccx.next_delivery_at(integer) is
  'When a message of this target may next be claimed: the earliest that waits, but not before its circuit '
  'lets one through; null: none waits.';
