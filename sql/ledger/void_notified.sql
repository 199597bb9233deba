create or replace function ccx.void_notified(notification_ids bigint[], issue_ids bigint[], at timestamptz)
  returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  update notified_issue i
  set voided = i.voided + tstzmultirange(tstzrange(at, null))
  from unnest(notification_ids, issue_ids) as v (notification_id, issue_id)
  where i.notification_id = v.notification_id and i.issue_id = v.issue_id and i.live;
end $$;

comment on function ccx.void_notified(bigint[], bigint[], timestamptz) is
  'These issues of these messages (two arrays, position by position) do not count as notified from this '
  'time on.';
