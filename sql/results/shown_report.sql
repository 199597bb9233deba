create or replace function ccx.shown_report(report text, with_internal boolean) returns json
language sql immutable parallel safe
return case
  when report is null then '{"reports":[]}'::json
  when with_internal or report !~ '\.(internal|ocs)\.' then report::json
  else (report::jsonb || jsonb_build_object('reports', (
    select coalesce(jsonb_agg(h.hit order by h.nth), '[]')
    from jsonb_array_elements(report::jsonb -> 'reports') with ordinality as h (hit, nth)
    where not coalesce(is_internal(h.hit ->> 'component'), false))))::json
end;

comment on function ccx.shown_report(text, boolean) is
  'A stored report as it is, or without the hits of internal rules; null: a report without hits.';
