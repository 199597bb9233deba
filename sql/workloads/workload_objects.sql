create or replace function ccx.workload_objects(recommendations jsonb)
  returns table (nth bigint, component text, error_key text, details jsonb, place bigint, namespace_id text,
    namespace text, kind text, uid text, name text)
language sql immutable parallel safe
begin atomic
  select r.nth, r.one ->> 'component', r.one ->> 'key', r.one -> 'details', o.place,
    o.one ->> 'namespace_uid', coalesce(o.one ->> 'namespace', ''), coalesce(o.one ->> 'kind', ''),
    coalesce(o.one ->> 'uid', ''), coalesce(o.one ->> 'name', '')
  from jsonb_array_elements(workload_objects.recommendations) with ordinality as r (one, nth)
  cross join lateral jsonb_array_elements(
    case jsonb_typeof(r.one -> 'workloads') when 'array' then r.one -> 'workloads' else '[]' end)
    with ordinality as o (one, place)
  where o.one ->> 'namespace_uid' <> '';
end;

comment on function ccx.workload_objects(jsonb) is
  'The objects that recommendations are about, one row for each time that one is named; without those that '
  'belong to no namespace.';
