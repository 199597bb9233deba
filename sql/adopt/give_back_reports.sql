create or replace function ccx.give_back_reports(
  after_org bigint, after_cluster text, after_at timestamptz, batch_size integer
) returns table (last_org bigint, last_cluster text, last_at timestamptz, given integer, left_out integer)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  batch new_reports[];
  newest new_reports;
begin
  batch := array(
    select r::new_reports
    from new_reports r
    where (r.org_id, r.cluster, r.updated_at) > (after_org, after_cluster collate "C", after_at)
    order by r.org_id, r.cluster, r.updated_at
    limit batch_size);
  if batch = '{}' then
    return;
  end if;
  newest := batch[cardinality(batch)];
  return query
  select newest.org_id, newest.cluster::text, newest.updated_at, cardinality(batch),
    put_back_reports(batch);
end $$;

comment on function ccx.give_back_reports(bigint, text, timestamptz, integer) is
  'Writes the next batch_size reports to incumbent.new_reports, unless they are there; no row: there are no '
  'more.';
