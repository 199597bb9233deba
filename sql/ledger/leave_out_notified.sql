create or replace function ccx.leave_out_notified(notification_id bigint) returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  newly_left_out integer;
begin
  update notified_issue i
  set left_out = true
  where i.notification_id = leave_out_notified.notification_id and not i.left_out and notified_elsewhere(i);
  get diagnostics newly_left_out = row_count;
  return newly_left_out;
end $$;

comment on function ccx.leave_out_notified(bigint) is
  'Leaves out of a message that is sent again the issues that another message names by now; returns how '
  'many.';
