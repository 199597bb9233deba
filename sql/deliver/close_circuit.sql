-- settle_circuit() closes it by this, too; a person may know before the next probe that the receiver is back.
create or replace function close_circuit(target text) returns boolean
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  update circuit c
  set failures = 0, failed_messages = '{}', failed_probes = 0, opened_at = null, retry_at = null,
    probe_until = null,
      probe_messages = '{}'
  where c.target_id = target_id(close_circuit.target) and c.opened_at is not null;
  if not found then
    return false;
  end if;
  perform announce('circuit', jsonb_build_object('target', target, 'state', 'closed'));
  -- nobody has anything to do since it opened
  perform wake_delivery(target);
  return true;
end $$;

comment on function close_circuit(text) is
  'Closes the circuit of this target, so that everything that is due is sent at once; false: it was not '
  'open. It opens again if the receiver is still down.';
