create or replace function ccx.redrive_horizon() returns interval
language sql immutable parallel safe
return interval '23 hours';

comment on function ccx.redrive_horizon() is
  'How long after its first try a message may be redriven, and tried then: safely less than the day for '
  'which receivers remember its id.';
