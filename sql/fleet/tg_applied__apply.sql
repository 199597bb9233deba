-- A row that is there already (`on conflict do nothing`) never comes here, so a setting is applied once, and
-- together with the row that says so or not at all.
create or replace function ccx.tg_applied__apply() returns trigger
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  here text := (select c.name from cell c);
  acted text := current_setting('ccx.person', true);
begin
  if new.cell <> here then
    raise exception 'this database is the cell "%" now, not "%"', here, new.cell using errcode = 'NTZ11';
  end if;
  perform set_config('ccx.person', new.queued_by, true);
  update fleet.applied a
  set result = apply_setting(new.action, new.arguments, new.at)
  where a.setting_id = new.setting_id;
  perform set_config('ccx.person', coalesce(acted, ''), true);
  return null;
end $$;

comment on function ccx.tg_applied__apply() is
  'Applies a setting that a fleet database brings; raises NTZ11 for one that is for another cell.';
