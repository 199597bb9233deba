create or replace function set_side_by_side(mode text, out before text, out after text)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  if coalesce(mode not in ('together', 'shadow'), true) then
    raise exception 'two services on one database run together or ours in shadow, not "%"', mode
      using errcode = 'NTM04';
  end if;
  select s.mode into before from side_by_side s for update;
  if before in ('adopting', 'leaving') then
    raise exception 'the adoption of this database is not finished' using errcode = 'NTM06';
  end if;
  after := mode;
  update side_by_side s
  set mode = set_side_by_side.mode, since = now(), changed_by = session_user
  where s.mode <> set_side_by_side.mode;
end $$;

comment on function set_side_by_side(text) is
  'Chooses how ours lives with the service before it: together, or in shadow. What that one notified '
  'meanwhile counts as soon as it is together again.';
