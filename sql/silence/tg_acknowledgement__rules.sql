create or replace function ccx.tg_acknowledgement__rules() returns trigger
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  insert into acknowledged_rule (rule_name, org_id, cluster)
  select distinct a.rule_name, case when a.cluster is null then a.org_id end, a.cluster
  from added a
  order by 1, 2, 3
  on conflict do nothing;
  return null;
end $$;

comment on function ccx.tg_acknowledgement__rules() is
  'Trigger of acknowledgement: notes in acknowledged_rule whose issues decide() has to look it up for.';
