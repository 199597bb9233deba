create or replace function ccx.results_report_info(
  org_id bigint, cluster text, with_internal boolean default false
) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  return (
    select jsonb_build_object('status', 'ok', 'metainfo', jsonb_build_object(
      'last_checked_at', seconds_text(l.updated_at), 'stored_at', seconds_text(l.received_at),
      'count', coalesce(nullif((
        select count(*) from org_issues(l.org_id) i
        where i.cluster = l.cluster and (with_internal or not is_internal(i.module))), 0), -1)))
    from latest_report l
    where l.cluster = results_report_info.cluster and l.org_id = results_report_info.org_id
      and l.left_at is null);
end $$;

comment on function ccx.results_report_info(bigint, text, boolean) is
  'How many hits the newest report of a cluster has (-1: none), when it was made and when it was stored. '
  'Null: no such cluster.';
