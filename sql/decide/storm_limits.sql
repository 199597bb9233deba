-- One rule that goes wrong is a storm of that rule, before it is one of its target: therefore the limit of
-- the target is twice the limit of a rule. What a person released does not count for a day, or it would be
-- held again at once.
create or replace function ccx.storm_limits(at timestamptz)
  returns table (target_id integer, rule_limit integer, target_limit integer)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select l.target_id, l.most::integer, (2 * l.most)::integer
  from (
    select p.target_id,
      least(greatest(p.storm_minimum, ceil(p.storm_share * m.reporting_clusters)), 1000000000) as most
    from policy p
    cross join sweep_mark m
    where p.org_id is null and p.rule_name is null and in_force(p.validity, storm_limits.at)
      and p.enabled and p.storm_share is not null and coalesce(p.storm_from <= storm_limits.at, true)
  ) l;
$$;

comment on function ccx.storm_limits(timestamptz) is
  'How many clusters each target may be notified of within an hour, of one rule and in all; targets without '
  'a brake have no row.';
