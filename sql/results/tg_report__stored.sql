-- A row is taken as the message that would have made it: the same fields have to be right, an older one
-- changes nothing that is newer, and the same time again is the same upload run again.
create or replace function ccx.tg_report__stored() returns trigger
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
as $$
declare
  cluster constant text := refuse_foreign_row('report', new.org_id, new.cluster);
  checked_at constant timestamptz := coalesce(new.last_checked_at, new.reported_at) at time zone 'UTC';
  report constant jsonb := readable_report(new.report);
  version text;
begin
  if checked_at is null or checked_at not between '1970-01-01Z' and now() + interval '5 minutes' then
    raise exception 'aggregator.report: last_checked_at has to be a time that is past, but is %',
      coalesce(checked_at::text, 'missing')
      using errcode = 'NTV02';
  end if;
  if jsonb_typeof(report) is distinct from 'object' then
    raise exception 'aggregator.report: report has to be a JSON object' using errcode = 'NTV03';
  end if;
  if jsonb_typeof(report -> 'reports') is distinct from 'array' or exists (
    select from jsonb_array_elements(report -> 'reports') h
    where coalesce(jsonb_typeof(h -> 'component') <> 'string' or jsonb_typeof(h -> 'key') <> 'string'
      or length(h ->> 'component') not between 1 and 255 or length(h ->> 'key') not between 1 and 255, true))
  then
    raise exception 'aggregator.report: the reports of the report have to be an array of hits with component '
      'and key'
      using errcode = 'NTV03';
  end if;
  select i ->> 'version' into version
  from (
    select i -> 'details' as i
    from jsonb_array_elements(
      case jsonb_typeof(report -> 'info') when 'array' then report -> 'info' else '[]' end) i
    where i ->> 'info_id' = 'version_info|CLUSTER_VERSION_INFO'
  ) i
  where length(i ->> 'version') between 1 and 255
  limit 1;
  perform store_reports(jsonb_build_array(jsonb_build_object(
    'kafka_offset', 0, 'org_id', new.org_id, 'account_number', 0, 'cluster', cluster, 'updated_at',
      checked_at,
    -- as text: numbers stay as they were written
    'report', (
      select format('{%s}', string_agg(to_json(m.key) || ':' || m.value, ',' order by m.nth))
      from json_each(new.report::json) with ordinality as m (key, value, nth)
      where m.key <> all ('{system,fingerprints,skips,info,pass,analysis_metadata}')),
    'gathered_at', new.gathered_at at time zone 'UTC', 'cluster_version', version)), 0, now());
  return new;
end $$;
-- or whoever can make a table of his own could attach it there, and run it on rows of his own
revoke execute on function ccx.tg_report__stored() from public;

comment on function ccx.tg_report__stored() is
  'Trigger of aggregator.report: stores an inserted row by the rules for messages. Raises NTV01 (owner), '
  'NTV02 (time) or NTV03 (report).';
