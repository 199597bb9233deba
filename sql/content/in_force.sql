-- Not `period @> at`: of that the planner expects one row when `at` differs from row to row (backtest), and
-- compares all rules with all content for every issue.
create or replace function ccx.in_force(period tstzrange, at timestamptz) returns boolean
language sql immutable parallel safe
return coalesce(lower(period) <= at, true) and coalesce(upper(period) > at, true);

comment on function ccx.in_force(tstzrange, timestamptz) is
  'Whether a version that holds for this period (from its lower bound on, its upper one excluded) is in '
  'force at this time.';
