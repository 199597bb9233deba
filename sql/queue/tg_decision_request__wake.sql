create or replace function ccx.tg_decision_request__wake() returns trigger
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  perform wake_decide();
  return null;
end $$;

comment on function ccx.tg_decision_request__wake() is
  'Trigger of decision_request: wakes the decider at commit, so that the job''s row is locked for that '
  'moment only.';
