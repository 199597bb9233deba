-- Details do not count: an issue is the same issue when its rule and error key are. What is not a well-formed
-- hit is passed over here; the consumer has already refused such messages, other writers are not refused
-- anything.
create or replace function ccx.report_hits(report jsonb) returns table (component text, error_key text)
language sql immutable parallel safe
begin atomic
  select distinct hit ->> 'component', hit ->> 'key'
  from jsonb_array_elements(
    case jsonb_typeof(report -> 'reports') when 'array' then report -> 'reports' else '[]' end) as hit
  where jsonb_typeof(hit -> 'component') = 'string'
    and jsonb_typeof(hit -> 'key') = 'string'
    and length(hit ->> 'component') between 1 and 255
    and length(hit ->> 'key') between 1 and 255;
end;

comment on function ccx.report_hits(jsonb) is
  'The rule hits of a report: one row for each different (component, error key).';
