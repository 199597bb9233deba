-- Somebody emptied new_reports, or deleted the newest report of a cluster, and there are others: they may be
-- older than what is remembered. Such a cluster is one whose newest report, by latest_report, is not there.
-- Its newest one that is there is read as if it were the first (the triggers of new_reports do it).
create or replace function ccx.reread_reports() returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  stale text[];
  newest new_reports[];
begin
  stale := array(
    select l.cluster
    from latest_report l
    where l.left_at is null
      and not exists (
        select from new_reports r
        where r.org_id = l.org_id and r.cluster = l.cluster and r.updated_at = l.updated_at)
      and exists (
        select from new_reports r
        where r.cluster = l.cluster and r.updated_at <= now() + interval '5 minutes'
          and pg_input_is_valid(r.report, 'jsonb'))
    order by l.cluster);
  if stale = '{}' then
    return 0;
  end if;
  perform forget_clusters(stale);
  newest := array(
    select r
    from (
      select distinct on (n.cluster) n.*
      from new_reports n
      where n.cluster = any (stale) and n.updated_at <= now() + interval '5 minutes'
        and pg_input_is_valid(n.report, 'jsonb')
      order by n.cluster, n.updated_at desc
    ) r);
  delete from new_reports r
  using unnest(newest) n
  where r.org_id = n.org_id and r.cluster = n.cluster and r.updated_at = n.updated_at;
  insert into new_reports (org_id, account_number, cluster, report, updated_at, kafka_offset)
  select n.org_id, n.account_number, n.cluster, n.report, n.updated_at, n.kafka_offset
  from unnest(newest) n;
  return cardinality(newest);
end $$;

comment on function ccx.reread_reports() is
  'Reads the newest report of clusters again whose newest known one was deleted while others are there; '
  'returns of how many.';
