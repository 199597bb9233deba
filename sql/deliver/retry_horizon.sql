-- Receivers remember message ids for a day; a try after that could be taken for a new message.
create or replace function ccx.retry_horizon() returns interval
language sql immutable parallel safe
return interval '22 hours';

comment on function ccx.retry_horizon() is 'How long after its first try a message may be tried again.';
