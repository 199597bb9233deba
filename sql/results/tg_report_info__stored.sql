create or replace function ccx.tg_report_info__stored() returns trigger
language plpgsql volatile security definer
set search_path = public, ccx, pg_temp
as $$
declare
  cluster constant text := refuse_foreign_row('report_info', new.org_id, new.cluster_id);
begin
  if not cluster_is_known(new.org_id, cluster) then
    raise exception 'aggregator.report_info: cluster % has no report of organization %', cluster, new.org_id
      using errcode = 'NTV04', hint = 'insert its report first';
  end if;
  if length(coalesce(new.version_info, '')) > 255 then
    raise exception 'aggregator.report_info: version_info is longer than 255 characters'
      using errcode = 'NTV05';
  end if;
  update latest_report l
  set cluster_version = nullif(new.version_info, '')
  where l.cluster = lower(new.cluster_id) and l.org_id = new.org_id and l.left_at is null
    and l.cluster_version is distinct from nullif(new.version_info, '');
  return new;
end $$;
-- or whoever can make a table of his own could attach it there, and run it on rows of his own
revoke execute on function ccx.tg_report_info__stored() from public;

comment on function ccx.tg_report_info__stored() is
  'Trigger of aggregator.report_info: notes the version of a cluster at its newest report. Raises NTV01 '
  '(owner), NTV04 (no report) or NTV05 (text).';
