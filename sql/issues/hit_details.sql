-- A report may name the same rule and error key several times; the first one is notified.
create or replace function ccx.hit_details(report jsonb)
  returns table (component text, error_key text, details jsonb)
language sql immutable parallel safe
begin atomic
  select distinct on (hit ->> 'component', hit ->> 'key') hit ->> 'component', hit ->> 'key', hit -> 'details'
  from jsonb_array_elements(
    case jsonb_typeof(report -> 'reports') when 'array' then report -> 'reports' else '[]' end)
    with ordinality as h (hit, nth)
  order by hit ->> 'component', hit ->> 'key', nth;
end;

comment on function ccx.hit_details(jsonb) is
  'The details of the hits of a report: what the templates of their content see as pydata; one row for each '
  'rule and error key.';
