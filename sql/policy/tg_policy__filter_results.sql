create or replace function ccx.tg_policy__filter_results() returns trigger
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  insert into filter_result (policy_id, content_id, passes, error)
  select p.id, c.id, coalesce(f.passes, false), case when f.passes is null then 'the filter divides by zero' end
  from added p
  join rule_content c on c.validity && p.validity
  cross join lateral (
    select filter_lets_through((select x from policy x where x.id = p.id), c) as passes offset 0
  ) f
  where p.filter is not null;
  return null;
end $$;

comment on function ccx.tg_policy__filter_results() is
  'Trigger of policy: evaluates the filter of a new policy for all content of its time.';
