-- The row lock on latest_report makes concurrent statements take turns per cluster.
create or replace function ccx.advance_latest_reports(
  hits seen_hit[], is_replaced boolean, out fresh_hits seen_hit[], out to_settle text[]
)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  with report as materialized (
    select distinct on (h.nth) h.nth, h.org_id, h.cluster, h.updated_at, h.received_at, h.account_number,
      h.request_id, h.gathered_at, h.cluster_version
    from unnest(hits) h
  ), advanced as (
    insert into latest_report as l (org_id, cluster, updated_at, account_number, received_at, request_id,
      gathered_at, cluster_version)
    select distinct on (org_id, cluster) org_id, cluster, updated_at, account_number, received_at, request_id,
      gathered_at, cluster_version
    from report
    order by org_id, cluster, updated_at desc
    on conflict (org_id, cluster) do update
    set previous_at = case when excluded.updated_at > l.updated_at then l.updated_at else l.previous_at end,
        updated_at = excluded.updated_at,
        account_number = excluded.account_number,
        received_at = excluded.received_at,
        request_id = excluded.request_id,
        gathered_at = excluded.gathered_at,
        cluster_version = excluded.cluster_version,
        report = null
    -- the same time again is the same upload run again: it counts only when the row itself was replaced
    where excluded.updated_at > l.updated_at
       or (excluded.updated_at = l.updated_at and is_replaced)
    returning l.org_id, l.cluster, l.updated_at, l.previous_at, l.left_at
  ), fresh as materialized (
    select r.nth,
      -- replaced by somebody who left received_at as it was: known from now on, not since then
      case when is_replaced and r.received_at = (
          select before.received_at
          from latest_report before
          where before.org_id = r.org_id and before.cluster = r.cluster)
        then now() else r.received_at end as received_at,
      row_number() over (partition by r.org_id, r.cluster order by r.updated_at)::integer as ordinal
    from report r
    join advanced a using (org_id, cluster)
    where case when is_replaced then r.updated_at = a.updated_at
                     else a.previous_at is null or r.updated_at > a.previous_at end
  )
  select array_agg((f.ordinal, h.org_id, h.cluster, h.updated_at, f.received_at, h.account_number,
    h.component, h.error_key, null, null, null)::seen_hit),
    (select array_agg(a.cluster) from advanced a where a.previous_at is null or a.left_at is not null)
  into fresh_hits, to_settle
  from fresh f
  join unnest(hits) h using (nth);
end $$;

comment on function ccx.advance_latest_reports(seen_hit[], boolean) is
  'Moves latest_report forward; returns the hits of those reports that are newer than what was known, or '
  'that replaced (is_replaced) the newest one (null: none are), and clusters that may have changed hands.';
