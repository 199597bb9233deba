create or replace function ccx.move_unrendered(moved moved_occurrence[]) returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  entries render_failure[];
begin
  with gone as (
    delete from render_failure f
    using (select distinct m.issue_id from unnest(moved) m) m
    where f.issue_id = m.issue_id
    returning f.*
  )
  select array_agg((m.new_issue_id, g.target_id, g.content_id, m.new_occurrence, g.failed_at, g.error,
    g.held_period)::render_failure)
  into entries
  from gone g
  join unnest(moved) m on m.issue_id = g.issue_id and m.occurrence = g.occurrence;
  insert into render_failure (issue_id, target_id, content_id, occurrence, failed_at, error)
  select e.issue_id, e.target_id, e.content_id, e.occurrence, e.failed_at, e.error
  from unnest(entries) e
  order by e.failed_at
  on conflict do nothing;
end $$;

comment on function ccx.move_unrendered(moved_occurrence[]) is
  'Lets what could not be rendered of these occurrences hold the issues that they become.';
