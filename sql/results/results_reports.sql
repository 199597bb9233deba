-- A cluster of somebody else is an error like one that nobody knows: the answer does not tell them apart.
create or replace function ccx.results_reports(
  org_id bigint, clusters text[], with_internal boolean default false
) returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  return (
    select json_build_object(
      'clusters', json_agg(a.cluster order by a.nth) filter (where l.cluster is not null),
      'errors', json_agg(a.cluster order by a.nth) filter (where l.cluster is null),
      'reports', coalesce(json_object_agg(a.cluster,
        shown_report(newest_report(results_reports.org_id, a.cluster), with_internal))
        filter (where l.cluster is not null), '{}'),
      'generated_at', '', 'status', 'ok')
    from (
      select u.cluster, min(u.nth) as nth
      from unnest(results_reports.clusters) with ordinality as u (cluster, nth)
      group by u.cluster
    ) a
    left join latest_report l
      on l.cluster = a.cluster and l.org_id = results_reports.org_id and l.left_at is null);
end $$;

comment on function ccx.results_reports(bigint, text[], boolean) is
  'The newest reports of several clusters as they are stored, and which of the clusters this organization '
  'does not have.';
