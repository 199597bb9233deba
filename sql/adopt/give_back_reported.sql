create or replace function ccx.give_back_reported(
  after_org bigint, after_cluster text, after_at timestamptz, after_target integer, batch_size integer
) returns table (
  last_org bigint, last_cluster text, last_at timestamptz, last_target integer, given integer,
  left_out integer)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  batch reported[];
  newest reported;
begin
  batch := array(
    select r::reported
    from reported r
    where (r.org_id, r.cluster, r.notified_at, r.event_type_id)
      > (after_org, after_cluster collate "C", after_at, after_target)
    order by r.org_id, r.cluster, r.notified_at, r.event_type_id
    limit batch_size);
  if batch = '{}' then
    return;
  end if;
  newest := batch[cardinality(batch)];
  return query
  select newest.org_id, newest.cluster::text, newest.notified_at, newest.event_type_id, cardinality(batch),
    put_back_reported(batch);
end $$;

comment on function ccx.give_back_reported(bigint, text, timestamptz, integer, integer) is
  'Writes the next batch_size rows of reported to incumbent.reported, unless they are there; no row: there '
  'are no more.';
