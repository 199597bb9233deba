create or replace function ccx.workload_namespaces(recommendations jsonb)
  returns table (namespace_id text, name text, recommendations integer, objects integer, hits jsonb)
language sql immutable parallel safe
begin atomic
  with object as materialized (
    select o.* from workload_objects(workload_namespaces.recommendations) o
  ), hit as (
    select o.namespace_id, o.nth, o.component, o.error_key, count(*) as objects
    from object o
    group by o.namespace_id, o.nth, o.component, o.error_key
  ), counted as (
    select h.namespace_id, count(*) as recommendations,
      jsonb_agg(jsonb_build_object('component', h.component, 'key', h.error_key, 'objects', h.objects)
        order by h.nth) as hits
    from hit h
    group by h.namespace_id
  ), named as (
    select o.namespace_id, (array_agg(o.namespace order by o.nth, o.place))[1] as name,
      count(distinct o.uid) as objects
    from object o
    group by o.namespace_id
  )
  select n.namespace_id, n.name, c.recommendations::integer, n.objects::integer, c.hits
  from named n
  join counted c on c.namespace_id = n.namespace_id;
end;

comment on function ccx.workload_namespaces(jsonb) is
  'The namespaces that recommendations are about, as workload_namespace counts them.';
