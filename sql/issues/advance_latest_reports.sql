-- The row lock on latest_report makes concurrent statements take turns per cluster. Most reports have the
-- hits of the one before them, by their hash: nothing more is to be read of those. That holds as long as
-- whatever else opens or closes issues deletes the row of latest_report (forget_clusters(), forget_rows()),
-- is part of the hash (a rename) or leaves left_at behind (settle_owners()).
create or replace function ccx.advance_latest_reports(
  reports arrived_report[], is_replaced boolean,
  out org_ids bigint[], out clusters text[], out to_settle text[],
  out ordinals integer[], out received_ats timestamptz[]
)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  with report as materialized (
    select r.*
    from unnest(reports) with ordinality as r (org_id, cluster, updated_at, received_at, account_number,
      request_id, gathered_at, cluster_version, hits_hash, place)
  ), advanced as (
    insert into latest_report as l (org_id, cluster, updated_at, account_number, received_at, request_id,
      gathered_at, cluster_version, hits_hash)
    select distinct on (org_id, cluster) org_id, cluster, updated_at, account_number, received_at, request_id,
      gathered_at, cluster_version, hits_hash
    from report
    where hits_hash is not null
    order by org_id, cluster, updated_at desc
    on conflict (org_id, cluster) do update
    set previous_at = case when excluded.updated_at > l.updated_at then l.updated_at else l.previous_at end,
        updated_at = excluded.updated_at,
        account_number = excluded.account_number,
        received_at = excluded.received_at,
        request_id = excluded.request_id,
        gathered_at = excluded.gathered_at,
        cluster_version = excluded.cluster_version,
        hits_hash = excluded.hits_hash,
        has_same_hits = (excluded.hits_hash = l.hits_hash) is true and l.left_at is null,
        report = null
    -- the same time again is the same upload run again: it counts only when the row itself was replaced
    where excluded.updated_at > l.updated_at
       or (excluded.updated_at = l.updated_at and is_replaced)
    returning l.org_id, l.cluster, l.updated_at, l.previous_at, l.left_at, l.hits_hash, l.has_same_hits
  ), fresh as materialized (
    select r.place,
      -- replaced by somebody who left received_at as it was: known from now on, not since then
      case when is_replaced and r.received_at = (
          select before.received_at
          from latest_report before
          where before.org_id = r.org_id and before.cluster = r.cluster)
        then now() else r.received_at end as received_at,
      row_number() over (same_cluster order by r.updated_at)::integer as ordinal,
      a.has_same_hits and bool_and(r.hits_hash = a.hits_hash) over same_cluster as is_known
    from report r
    join advanced a using (org_id, cluster)
    where r.hits_hash is not null
      and case when is_replaced then r.updated_at = a.updated_at
               else a.previous_at is null or r.updated_at > a.previous_at end
    window same_cluster as (partition by r.org_id, r.cluster)
  ), place as (
    select r.place, coalesce(f.ordinal, 0) as ordinal, coalesce(f.received_at, r.received_at) as received_at
    from report r
    left join fresh f on f.place = r.place and not f.is_known
  )
  select a.org_ids, a.clusters, a.to_settle, p.ordinals, p.received_ats
  into org_ids, clusters, to_settle, ordinals, received_ats
  from (
    select array_agg(a.org_id) as org_ids, array_agg(a.cluster) as clusters,
      array_agg(a.cluster) filter (where a.previous_at is null or a.left_at is not null) as to_settle
    from advanced a
  ) a
  cross join (
    select array_agg(p.ordinal order by p.place) as ordinals,
      array_agg(p.received_at order by p.place) as received_ats
    from place p
  ) p;
end $$;

comment on function ccx.advance_latest_reports(arrived_report[], boolean) is
  'Moves latest_report forward; returns the clusters that it moved for (null: none), those that may have '
  'changed hands, and of each report which new one of its cluster it is (0: pass it over), and when it '
  'arrived.';
