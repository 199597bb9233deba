-- An issue that several reasons hold is counted with each of them.
create or replace function ccx.held_groups(grouped_by text, target text, org_id bigint, at timestamptz default now())
returns table (name text, decision text, decisions bigint, clusters bigint, organizations bigint)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select g.name, e.decision, count(*), count(distinct e.cluster), count(distinct e.org_id)
  from explain_at(held_groups.at, held_groups.target, org_id => held_groups.org_id) e
  cross join lateral (
    select unnest(case when e.decision = 'notify' then '{new}'::text[] else e.reasons end) as name
    where held_groups.grouped_by = 'reason'
    union all
    select rule_name(e.component) || '|' || e.error_key where held_groups.grouped_by = 'rule'
    union all
    select e.org_id::text where held_groups.grouped_by = 'organization'
  ) g
  group by g.name, e.decision
  order by e.decision desc, count(*) desc, g.name
  limit 200
$$;

comment on function ccx.held_groups(text, text, bigint, timestamptz) is
  'Decisions of now counted by reason, rule or organization, what would be notified first.';
