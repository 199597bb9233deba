-- What notified_once_per_cooldown and resolved_once_per_occurrence would refuse, asked beforehand.
create or replace function ccx.notified_elsewhere(i notified_issue) returns boolean
language sql stable parallel safe
return exists (
  select from notified_issue other
  where other.live
    and other.target_id = i.target_id
    and other.issue_id = i.issue_id
    and other.resolved = i.resolved
    and other.notification_id <> i.notification_id
    and case when i.resolved then other.occurrence = i.occurrence
      else other.cooldown_period && i.cooldown_period end);

comment on function ccx.notified_elsewhere(notified_issue) is
  'Whether another message, sent or on its way, names the same: then this entry of the ledger cannot count '
  'as notified, too.';
