create or replace function ccx.evaluate_filters(policy_ids bigint[], content_ids bigint[]) returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  insert into filter_result (policy_id, content_id, passes, error)
  select p.id, c.id, coalesce(f.passes, false), case when f.passes is null
    then 'the filter divides by zero' end
  from unnest(policy_ids, content_ids) as e (policy_id, content_id)
  join policy p on p.id = e.policy_id
  join rule_content c on c.id = e.content_id
  -- `offset 0`: evaluated once, not wherever it is used
  cross join lateral (select filter_lets_through(p, c) as passes offset 0) f;
end $$;

comment on function ccx.evaluate_filters(bigint[], bigint[]) is
  'Evaluates the filters of these policies for these contents (two arrays, position by position) and keeps '
  'the outcomes in filter_result.';
