create or replace function ccx.tg_decision_request__wake() returns trigger
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
as $$
begin
  perform wake_decide();
  return null;
end $$;

comment on function ccx.tg_decision_request__wake() is
  'Trigger of decision_request: wakes the deciders when the transaction commits.';
