-- A message that had been given up by then does not count; the ledger knows, also of one that got through
-- after all.
create or replace function ccx.last_message_at(org_id bigint, cluster text, target integer, at timestamptz)
  returns timestamptz
language sql stable parallel safe
begin atomic
  select n.decided_at
  from notification n
  where n.cluster = last_message_at.cluster and n.org_id = last_message_at.org_id and n.target_id = target
    and n.decided_at < at
    and exists (select from notified_issue i where i.notification_id = n.id and not i.voided @> at)
  order by n.decided_at desc
  limit 1;
end;

comment on function ccx.last_message_at(bigint, text, integer, timestamptz) is
  'When the last message about a cluster to this target was decided before this time, by what was known '
  'then; null: never.';
