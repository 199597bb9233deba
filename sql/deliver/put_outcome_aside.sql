-- Writes no more than it has to, since something of what settle_notifications() writes is refused. The issues
-- go on to count as notified: the message is out.
create or replace function ccx.put_outcome_aside(
  id bigint, attempt integer, reason text, at timestamptz default now()
) returns boolean
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  update notification n
  set state = 'dead', ended_at = put_outcome_aside.at, failure = 'unsettled',
    last_error = left(put_outcome_aside.reason, 1000), leased_until = null, may_be_out = true
  where n.id = put_outcome_aside.id and n.state = 'pending' and n.attempts = put_outcome_aside.attempt;
  return found;
end $$;

comment on function ccx.put_outcome_aside(bigint, integer, text, timestamptz) is
  'Gives up a message that is out but cannot be settled, for this reason, so that it does not go out again; '
  'returns whether it was still the caller''s. It can be redriven.';
