create or replace function ccx.tg_policy__filter_results() returns trigger
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  perform evaluate_filters(array_agg(p.id), array_agg(c.id))
  from added p
  join rule_content c on c.validity && p.validity
  where p.filter is not null;
  return null;
end $$;

comment on function ccx.tg_policy__filter_results() is
  'Trigger of policy: evaluates the filter of a new policy for all content of its time.';
