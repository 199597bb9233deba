-- Shorter at most than the back-off of a message: everything waits for it, and a probe is cheap.
create or replace function ccx.circuit_delay(failed_probes integer) returns interval
language sql volatile parallel safe
return least(retry_delay(failed_probes + 1), interval '5 minutes');

comment on function ccx.circuit_delay(integer) is
  'How long an open circuit stays open after this many failed probes.';
