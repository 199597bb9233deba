create or replace function ccx.resolution_is_due(
  issue_id bigint, occurrence integer, target integer, notified_at timestamptz, at timestamptz
) returns boolean
language sql stable parallel safe
begin atomic
  select not exists (
      select from occurrence later
      where later.issue_id = resolution_is_due.issue_id and later.occurrence > resolution_is_due.occurrence
        and later.known_from <= at)
    and not exists (
      select from notified_issue n
      where n.issue_id = resolution_is_due.issue_id and n.target_id = target and n.resolved
        and n.notified_at > resolution_is_due.notified_at and n.notified_at < at and not n.voided @> at);
end;

comment on function ccx.resolution_is_due(bigint, integer, integer, timestamptz, timestamptz) is
  'Is a target that was notified of this occurrence of an issue (at notified_at), which is over, still to '
  'hear that: it did not come back, and nobody said so yet.';
