-- The rule comes along with each issue: joined to issue, the planner, which cannot know how few these are,
-- read that from end to end.
create or replace function ccx.count_notified(issues issue_to_notify[], at timestamptz) returns void
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  insert into notified_count (target_id, rule_name, clusters, counted_at)
  select i.target_id, i.rule_name, count(distinct (i.org_id, i.cluster)), count_notified.at
  from (
    select n.target_id, n.org_id, n.cluster, rule_name(n.component) as rule_name from unnest(issues) n
  ) i
  join storm_limits(count_notified.at) l on l.target_id = i.target_id
  where not exists (
    select from released_storms(count_notified.at) s
    where s.target_id = i.target_id and s.rule_name = i.rule_name)
  group by grouping sets ((i.target_id, i.rule_name), (i.target_id))
$$;

comment on function ccx.count_notified(issue_to_notify[], timestamptz) is
  'Counts the clusters that a decision notifies, for the brake, where their target has one.';
