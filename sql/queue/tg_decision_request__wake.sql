create or replace function ccx.tg_decision_request__wake() returns trigger
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
as $$
begin
  perform wake_decide();
  return null;
end $$;
-- or whoever can make a table of his own could attach it there, and run it on rows of his own
revoke execute on function ccx.tg_decision_request__wake() from public;

comment on function ccx.tg_decision_request__wake() is
  'Trigger of decision_request: wakes the deciders when the transaction commits.';
