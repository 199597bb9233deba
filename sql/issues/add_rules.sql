create or replace function ccx.add_rules(hits seen_hit[]) returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  insert into rule (component, error_key)
  select distinct h.component, h.error_key
  from unnest(hits) h
  where h.component is not null
    and not exists (select from rule r where r.component = h.component and r.error_key = h.error_key)
  order by h.component, h.error_key
  on conflict do nothing;
end $$;

comment on function ccx.add_rules(seen_hit[]) is
  'Adds the rules and error keys that no report has named before.';
