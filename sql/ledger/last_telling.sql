-- For the few whose newest telling was given up: for the others decide() has it by a join.
create or replace function last_telling(issue_id bigint, target integer, at timestamptz) returns timestamptz
language sql stable parallel safe
begin atomic
  select n.told_at
  from notified_issue n
  where n.issue_id = last_telling.issue_id and n.target_id = last_telling.target
    and n.told_at < at and not n.resolved and not n.voided @> at
  order by n.told_at desc
  limit 1;
end;

comment on function last_telling(bigint, integer, timestamptz) is
  'When an issue was last told to this target before this time, by what was known then; null: never.';
