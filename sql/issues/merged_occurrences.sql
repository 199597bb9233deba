-- What closed with the report with which the other opened was never gone: times that touch are one
-- occurrence. Where retention has deleted occurrences, the numbers go on behind them.
create or replace function ccx.merged_occurrences(old_rule_id integer, new_rule_id integer)
  returns setof moved_occurrence
language sql stable
set search_path = public, ccx, pg_temp
as $$
  with pair as materialized (
    select o.id as kept, n.id as gone, o.occurrence + n.occurrence as occurrences
    from issue o
    join issue n on n.cluster = o.cluster and n.org_id = o.org_id
      and n.rule_id = merged_occurrences.new_rule_id
    where o.rule_id = merged_occurrences.old_rule_id
  ), part as (
    select p.kept, p.occurrences - count(*) over (partition by p.kept) as deleted, o.*,
      coalesce(
        o.opened_at > max(coalesce(o.closed_at, 'infinity')) over (
          partition by p.kept order by o.opened_at, o.issue_id
          rows between unbounded preceding and 1 preceding),
        true) as begins
    from pair p
    join occurrence o on o.issue_id in (p.kept, p.gone)
  ), numbered as (
    select p.*, count(*) filter (where p.begins) over (partition by p.kept order by p.opened_at, p.issue_id)
      as nth
    from part p
  )
  select n.issue_id, n.occurrence,
    coalesce(n.closed_at, 'infinity') = max(coalesce(n.closed_at, 'infinity')) over whole,
    n.kept, (n.deleted + n.nth)::integer, min(n.opened_at) over whole,
    nullif(max(coalesce(n.closed_at, 'infinity')) over whole, 'infinity'),
    min(n.known_from) over whole,
    nullif(max(coalesce(n.known_until, 'infinity')) over whole, 'infinity')
  from numbered n
  window whole as (partition by n.kept, n.nth);
$$;

comment on function ccx.merged_occurrences(integer, integer) is
  'For each cluster that has an issue of both rules: the occurrences of both, and what they become when the '
  'two are one issue, that of the first.';
