-- Of a large fleet as the newest survey counted it, of one organization and of a small fleet as it is now.
-- Planned for what is asked: PostgreSQL 16 and 17 would read every issue for one organization in SQL.
create or replace function ccx.held_groups(grouped_by text, target text, org_id bigint)
returns table (
  name text, decision text, decisions bigint, clusters bigint, organizations bigint, at timestamptz)
language plpgsql volatile
set search_path = public, ccx, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
  return query
  with counted as (
    select g.name, g.target, g.decision, g.decisions, g.clusters, g.organizations, now() as at
    from decision_groups(now(), held_groups.grouped_by, held_groups.target, held_groups.org_id,
      held_groups.org_id) g
    where not (held_groups.org_id is null and fleet_is_surveyed())
    union all
    select s.name, s.target, s.decision, s.decisions, s.clusters, s.organizations, s.at
    from decision_summary s
    where held_groups.org_id is null and fleet_is_surveyed() and s.grouped_by = held_groups.grouped_by
  )
  select c.name, c.decision, c.decisions, c.clusters, c.organizations, c.at
  from counted c
  where c.target is not distinct from held_groups.target
  order by c.decision desc, c.decisions desc, c.name
  limit 200;
end $$;

comment on function ccx.held_groups(text, text, bigint) is
  'Decisions counted by reason, rule or organization, what would be notified first, with the moment that '
  'they are of.';
