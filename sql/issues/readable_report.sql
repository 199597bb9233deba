-- Not `language sql`: the planner works out a cast of a constant before it looks at the condition around it.
create or replace function ccx.readable_report(report text) returns jsonb
language plpgsql immutable parallel safe
set search_path = public, ccx, pg_temp
as $$
begin
  return case when pg_input_is_valid(report, 'jsonb') then report::jsonb end;
end $$;

comment on function ccx.readable_report(text) is
  'A stored report as JSON; null where it is not valid JSON, as other programs may write it.';
