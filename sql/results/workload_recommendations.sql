create or replace function ccx.workload_recommendations(org_id bigint, cluster text, namespace_id text)
  returns table (nth bigint, component text, error_key text, details jsonb, objects jsonb)
language sql stable parallel safe
begin atomic
  select o.nth, o.component, o.error_key, o.details,
    jsonb_agg(jsonb_build_object('kind', o.kind, 'uid', o.uid, 'display_name', o.name) order by o.place)
  from workload_report w
  cross join lateral workload_objects(w.recommendations) o
  where w.org_id = workload_recommendations.org_id and w.cluster = workload_recommendations.cluster
    and o.namespace_id = workload_recommendations.namespace_id
  group by o.nth, o.component, o.error_key, o.details;
end;

comment on function ccx.workload_recommendations(bigint, text, text) is
  'What is recommended about one namespace of a cluster of this organization, with its objects; nth is the '
  'order of the message.';
