-- A query, so that it is taken into the caller's plan: called a few hundred times in a claim. offset 0, since
-- hit_details() would work its argument out wherever it names it.
create or replace function ccx.details_by_hit(report text) returns table (by_hit jsonb)
language sql immutable parallel safe
begin atomic
  select jsonb_object_agg(c.component, c.by_key) as by_hit
  from (
    select h.component, jsonb_object_agg(h.error_key, h.details) as by_key
    from (select readable_report(details_by_hit.report) as report offset 0) r
    cross join lateral hit_details(r.report) h
    where h.component is not null and h.error_key is not null
    group by h.component
  ) c;
end;

comment on function ccx.details_by_hit(text) is
  'The details of the hits of a stored report as {component: {error key: details}}, for whoever looks up '
  'many of them; null when it has no hits.';
