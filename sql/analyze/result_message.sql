-- The message of ccx.ocp.results: its members in the order in which the pipelines before us write them, and a
-- line feed at its end. info and pass are there only when there are some.
create or replace function ccx.result_message(a analysis, report json, started timestamptz,
  finished timestamptz)
returns text
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select format(
    '{"OrgID":%s,"ClusterName":%s,"Report":{"system":{"metadata":{},"hostname":null},"reports":%s,'
      '"fingerprints":[]%s%s,"analysis_metadata":%s},"LastChecked":%s,"Version":%s,"RequestId":%s,'
      '"Metadata":{"gathering_time":%s}%s}' || E'\n',
    a.org_id,
    to_json(a.cluster),
    report -> 'reports',
    case when json_array_length(report -> 'info') > 0 then ',"info":' || (report -> 'info')::text else '' end,
    case when json_array_length(report -> 'pass') > 0 then ',"pass":' || (report -> 'pass')::text else '' end,
    json_build_object(
      'start', to_json(started), 'finish', to_json(finished),
      'execution_context', 'ccx-notifications', 'plugin_sets', report -> 'plugin_sets'),
    to_json(a.last_checked),
    coalesce(report ->> 'version', '2'),
    to_json(a.request_id),
    to_json(a.gathering_time),
    ',"AccountNumber":' || a.account_number);
$$;

comment on function ccx.result_message(analysis, json, timestamptz, timestamptz) is
  'The message of ccx.ocp.results for an analysis and its report {reports, info, pass, plugin_sets, '
  'version}.';
