-- Where another message names the same by then (notified_elsewhere()), the constraints of the ledger refuse
-- it: the caller leaves such issues out, or lets the error show.
create or replace function ccx.unvoid_notified(notification_ids bigint[], issue_ids bigint[], at timestamptz)
  returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  unvoided integer;
begin
  update notified_issue i
  set voided = i.voided - tstzmultirange(tstzrange(at, null))
  from unnest(notification_ids, issue_ids) as v (notification_id, issue_id)
  where i.notification_id = v.notification_id and i.issue_id = v.issue_id and not i.live and not i.left_out;
  get diagnostics unvoided = row_count;
  return unvoided;
end $$;

comment on function ccx.unvoid_notified(bigint[], bigint[], timestamptz) is
  'These issues of these messages (two arrays, position by position) count as notified again from this time '
  'on; returns how many did not.';
