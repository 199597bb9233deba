create or replace function ccx.rename_issues(
  old_rule_id integer, new_component text, new_rule_id integer, moved moved_occurrence[]
) returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  renamed integer;
begin
  if new_rule_id is null then
    update rule r set component = new_component where r.id = old_rule_id;
    return (select count(*) from issue i where i.rule_id = old_rule_id);
  end if;
  delete from occurrence o
  using unnest(moved) m
  where o.issue_id = m.issue_id;
  insert into occurrence (issue_id, occurrence, opened_at, closed_at, known_from, known_until)
  select distinct m.new_issue_id, m.new_occurrence, m.opened_at, m.closed_at, m.known_from, m.known_until
  from unnest(moved) m
  order by 1, 2;

  with gone as (
    delete from issue n
    using issue o
    where n.rule_id = new_rule_id and o.rule_id = old_rule_id and o.cluster = n.cluster
      and o.org_id = n.org_id
    returning o.id as kept, n.*
  )
  update issue i
  set first_seen = least(i.first_seen, g.first_seen),
    opened_at = coalesce(m.opened_at, greatest(i.opened_at, g.opened_at)),
    closed_at = case when m.new_issue_id is not null then m.closed_at else greatest(i.closed_at, g.closed_at)
    end, occurrence = coalesce(m.new_occurrence, i.occurrence + g.occurrence)
  from gone g
  left join (
    select distinct on (m.new_issue_id) m.*
    from unnest(moved) m
    order by m.new_issue_id, m.new_occurrence desc) m on m.new_issue_id = g.kept
  where i.id = g.kept;

  update issue i set rule_id = new_rule_id where i.rule_id = old_rule_id;
  get diagnostics renamed = row_count;
  delete from rule r where r.id = old_rule_id;
  return renamed;
end $$;

comment on function ccx.rename_issues(integer, text, integer, moved_occurrence[]) is
  'Lets the issues of one rule be those of another (null: that no report has named yet), with their history; '
  'where a cluster has both, they become one (moved: merged_occurrences()). Returns how many.';
