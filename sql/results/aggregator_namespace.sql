create or replace function ccx.aggregator_namespace(
  cluster text, namespace_id text, name text, recommendations integer, objects integer,
  reported_at timestamptz, updated_at timestamptz
) returns jsonb
language sql stable parallel safe
return jsonb_build_object(
  'cluster', jsonb_build_object('uuid', cluster, 'display_name', ''),
  'namespace', jsonb_build_object('uuid', namespace_id, 'name', name),
  'metadata', jsonb_build_object('recommendations', recommendations, 'objects', objects,
    'reported_at', seconds_text(reported_at), 'last_checked_at', seconds_text(updated_at),
    'highest_severity', 0, 'hits_by_severity', null));

comment on function
  ccx.aggregator_namespace(text, text, text, integer, integer, timestamptz, timestamptz) is
  'A namespace as the aggregator''s own paths show it: names of clusters and severities are for whoever '
  'asks it to fill in.';
