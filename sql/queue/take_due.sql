-- A statement of its own: only a later statement's snapshot is sure to see the reports that were committed
-- before we got the row locks. By row address: joined by name, the planner compared all with all whenever
-- statistics said that this queue is empty.
create or replace function ccx.take_due(
  batch_size integer, at timestamptz, only_orgs bigint[], only_clusters text[],
  out org_ids bigint[], out clusters text[], out by_report boolean[]
)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  addresses tid[];
begin
  if only_clusters is null then
    addresses := array(
      select due.ctid
      from decision_due due
      -- whoever asks about a time that is past means what is due by now
      where due.due_at <= greatest(take_due.at, clock_timestamp())
      order by due.due_at
      limit batch_size
      for update skip locked);
  else
    addresses := array(
      select due.ctid
      from decision_due due
      where due.cluster = any (only_clusters)
        and (due.org_id, due.cluster) in (select * from unnest(only_orgs, only_clusters))
      order by due.due_at
      for update skip locked);
  end if;
  with taken as (
    delete from decision_due d
    where d.ctid = any (addresses)
    returning d.org_id, d.cluster, d.by_report
  )
  select array_agg(t.org_id), array_agg(t.cluster), array_agg(t.by_report)
  into take_due.org_ids, take_due.clusters, take_due.by_report
  from taken t;
  if exists (select from stuck_cluster) then
    delete from stuck_cluster s
    where s.cluster = any (take_due.clusters)
      and (s.org_id, s.cluster) in (select * from unnest(take_due.org_ids, take_due.clusters));
  end if;
end $$;

comment on function ccx.take_due(integer, timestamptz, bigint[], text[]) is
  'Takes up to batch_size of the clusters that wait longest, or (two arrays, position by position) these, '
  'out of decision_due and keeps their locks, so that nobody else decides for them until the transaction '
  'ends; null: none wait.';
