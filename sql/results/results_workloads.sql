create or replace function ccx.results_workloads(org_id bigint, with_internal boolean default false)
  returns text
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  return (
    select jsonb_build_object('status', 'ok', 'workloads', coalesce(jsonb_agg(w.shown
      order by w.cluster collate "C", w.namespace_id collate "C"), '[]'))
    from shown_workloads(results_workloads.org_id, with_internal) w);
end $$;

comment on function ccx.results_workloads(bigint, boolean) is
  'The namespaces of an organization that there are recommendations about, counted, in the order of '
  'clusters.';
