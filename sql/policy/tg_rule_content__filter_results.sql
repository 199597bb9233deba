create or replace function ccx.tg_rule_content__filter_results() returns trigger
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  insert into filter_result (policy_id, content_id, passes, error)
  select p.id, c.id, coalesce(f.passes, false), case when f.passes is null then 'the filter divides by zero' end
  from added c
  join policy p on p.filter is not null and p.validity && c.validity
  cross join lateral (
    select filter_lets_through(p, (select x from rule_content x where x.id = c.id)) as passes offset 0
  ) f;
  return null;
end $$;

comment on function ccx.tg_rule_content__filter_results() is
  'Trigger of rule_content: evaluates the filters of all policies of its time for new content.';
