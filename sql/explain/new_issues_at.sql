create or replace function new_issues_at(at timestamptz, target text default null) returns setof explanation
language sql stable parallel safe
begin atomic
  select e.*
  from explain_at(at, new_issues_at.target) e
  where e.decision = 'notify';
end;

comment on function new_issues_at(timestamptz, text) is
  'What a decision at this time would have notified, or did notify: with what was known then.';
