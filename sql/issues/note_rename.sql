create or replace function ccx.note_rename(component text, new_component text) returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  -- the name that is used again is no old one any more, and what led to the old one leads on
  delete from renamed_rule n where n.component = note_rename.new_component;
  update renamed_rule n
  set new_component = note_rename.new_component
  where n.new_component = note_rename.component;
  insert into renamed_rule as n (component, new_component)
  values (note_rename.component, note_rename.new_component)
  on conflict on constraint renamed_rule_pkey do update
  set new_component = excluded.new_component, renamed_at = now(), renamed_by = session_user, ended_at = null;
end $$;

comment on function ccx.note_rename(text, text) is
  'Notes that reports which have the first component mean the second.';
