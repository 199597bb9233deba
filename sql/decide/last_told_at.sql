-- A set, so that the planner takes it apart: a function of one value would be called for every issue.
create or replace function last_told_at(issue_id bigint, target integer, at timestamptz) returns table (told_at timestamptz)
language sql stable parallel safe
begin atomic
  select n.told_at
  from notified_issue n
  where n.issue_id = last_told_at.issue_id and n.target_id = last_told_at.target
    and n.told_at < at and not n.resolved and not n.voided @> at
  order by n.told_at desc
  limit 1;
end;

comment on function last_told_at(bigint, integer, timestamptz) is
  'When an issue was last told to this target before this time, by what was known then; no row: never.';
