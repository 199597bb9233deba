create or replace function retry_stuck(org_id bigint default null, cluster text default null) returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  retried integer;
begin
  update stuck_cluster s
  set next_try_at = least(s.next_try_at, now())
  where coalesce(s.org_id = retry_stuck.org_id, retry_stuck.org_id is null)
    and coalesce(s.cluster = lower(retry_stuck.cluster) or s.cluster = retry_stuck.cluster,
      retry_stuck.cluster is null);
  get diagnostics retried = row_count;
  perform mark_due(array_agg(s.org_id), array_agg(s.cluster), array_agg(s.by_report))
    from take_stuck(now()) s;
  if retried > 0 then
    perform wake_decide();
  end if;
  return retried;
end $$;

comment on function retry_stuck(bigint, text) is
  'Decides again for the clusters that were put aside (stuck_cluster), of this organization, this cluster, '
  'or (null) all of them; returns how many.';
