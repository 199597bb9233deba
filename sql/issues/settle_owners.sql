-- A cluster belongs to the organization of its newest report. For every other one it is as if a report
-- without hits had arrived with that: its issues close.
--
-- Asked only for clusters of which an organization reports for the first time, or again after it had lost
-- them: in normal service none. Two organizations that report a new cluster in the same moment, in two
-- transactions, do not see each other; the view drift shows that.
create or replace function ccx.settle_owners(hits seen_hit[], clusters text[]) returns seen_hit[]
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  leavers seen_hit[];
begin
  with known as materialized (
    select l.org_id, l.cluster, l.account_number,
      first_value(l.org_id) over newest_first as owner,
      first_value(l.updated_at) over newest_first as owned_at
    from latest_report l
    where l.cluster = any (settle_owners.clusters)
    window newest_first as (partition by l.cluster order by l.updated_at desc, l.org_id desc)
  ), moved as (
    update latest_report l
    set left_at = case when k.owner <> k.org_id then k.owned_at end,
        moved_to = nullif(k.owner, k.org_id)
    from known k
    where l.cluster = k.cluster and l.org_id = k.org_id
      and l.moved_to is distinct from nullif(k.owner, k.org_id)
  )
  select array_agg((
    1 + (
      select count(distinct h.nth) from unnest(hits) h
      where h.org_id = k.org_id and h.cluster = k.cluster),
    k.org_id, k.cluster, k.owned_at, now(), k.account_number, null, null)::seen_hit)
  into leavers
  from known k
  where k.owner <> k.org_id;
  return hits || coalesce(leavers, '{}');
end $$;

comment on function ccx.settle_owners(seen_hit[], text[]) is
  'Notes in latest_report to which organization each of these clusters belongs; returns the hits with a '
  'report without hits, as the last one, for each organization that lost one.';
