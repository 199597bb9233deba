create or replace function ccx.put_due_aside(
  target text, lease interval, reason text, at timestamptz default now()
) returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  outcomes jsonb;
begin
  outcomes := (
    select jsonb_agg(jsonb_build_object('id', c.id, 'attempt', c.attempts, 'sent', false, 'tried', false,
      'failure', 'schema', 'permanent', true, 'error', put_due_aside.reason))
    from claim_due(put_due_aside.target, 1, put_due_aside.lease, put_due_aside.at) c);
  if outcomes is null then
    return 0;
  end if;
  return (select s.dead from settle_notifications(outcomes, put_due_aside.at) s);
end $$;

comment on function ccx.put_due_aside(text, interval, text, timestamptz) is
  'Gives up the message to this target that is due first, since the database cannot say what is in it, for '
  'this reason; returns how many that were. It can be redriven.';
