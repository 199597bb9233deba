-- What was copied before there were triggers, or written by others between the moment in which our tables
-- took the place of theirs and the loading of our functions, has been seen by no trigger. To write a row once
-- more, as it is, shows it to them. Rows of the future, and what cannot be read, are no reports.
create or replace function ccx.see_reports(
  after_org bigint, after_cluster text, after_at timestamptz, batch_size integer
) returns table (last_org bigint, last_cluster text, last_at timestamptz, seen integer)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  return query
  with batch as materialized (
    select r.org_id, r.cluster, r.updated_at
    from new_reports r
    where (r.org_id, r.cluster, r.updated_at) > (after_org, after_cluster collate "C", after_at)
    order by r.org_id, r.cluster, r.updated_at
    limit batch_size
  ), shown as (
    update new_reports r
    set report = r.report
    from batch b
    where r.org_id = b.org_id and r.cluster = b.cluster and r.updated_at = b.updated_at
      and r.updated_at <= now() + interval '5 minutes' and isfinite(r.updated_at)
      and pg_input_is_valid(r.report, 'jsonb')
      and not exists (
        select from latest_report l
        where l.org_id = r.org_id and l.cluster = r.cluster and l.updated_at >= r.updated_at)
    returning 1
  )
  select b.org_id, b.cluster::text, b.updated_at, (select count(*) from shown)::integer
  from batch b
  order by b.org_id desc, b.cluster desc, b.updated_at desc
  limit 1;
end $$;

comment on function ccx.see_reports(bigint, text, timestamptz, integer) is
  'Shows those of the next batch_size reports to the triggers that they have not seen: issues follow. No '
  'row: there are no more reports.';
