-- For the few whose newest notification was given up: for the others decide() has it by a join.
create or replace function ccx.last_notified_at(issue_id bigint, target integer, at timestamptz)
  returns timestamptz
language sql stable parallel safe
begin atomic
  select n.notified_at
  from notified_issue n
  where n.issue_id = last_notified_at.issue_id and n.target_id = last_notified_at.target
    and n.notified_at < at and not n.resolved and not n.voided @> at
  order by n.notified_at desc
  limit 1;
end;

comment on function ccx.last_notified_at(bigint, integer, timestamptz) is
  'When an issue was last notified through this target before this time, by what was known then; null: '
  'never.';
