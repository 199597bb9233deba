create or replace function ccx.wake_due_deliveries(at timestamptz) returns text[]
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  target text;
  woken text[] := '{}';
begin
  for target in
    select t.name
    from event_targets t
    where next_delivery_at(t.id) <= wake_due_deliveries.at
    order by t.id
  loop
    perform wake_delivery(target);
    woken := woken || target;
  end loop;
  return woken;
end $$;

comment on function ccx.wake_due_deliveries(timestamptz) is
  'Queues the delivery task of every target that has a message to be claimed by this time; returns the '
  'names of these targets.';
