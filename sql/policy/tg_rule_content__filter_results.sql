create or replace function ccx.tg_rule_content__filter_results() returns trigger
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  perform evaluate_filters(array_agg(p.id), array_agg(c.id))
  from added c
  join policy p on p.filter is not null and p.validity && c.validity;
  return null;
end $$;

comment on function ccx.tg_rule_content__filter_results() is
  'Trigger of rule_content: evaluates the filters of all policies of its time for new content.';
