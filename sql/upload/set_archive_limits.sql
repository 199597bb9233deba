create or replace function set_archive_limits(keep interval, max_bytes bigint default null)
  returns archive_limits
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  changed archive_limits;
begin
  if (set_archive_limits.keep between interval '1 hour' and interval '100 years') is not true then
    raise exception 'archives are kept for 1 hour to 100 years, not %',
      coalesce(set_archive_limits.keep::text, 'null')
      using errcode = 'NTU01';
  end if;
  if set_archive_limits.max_bytes <= 0 then
    raise exception 'the most bytes of archives that are kept have to be more than 0, not %',
      set_archive_limits.max_bytes
      using errcode = 'NTU02';
  end if;
  update archive_limits l
  set keep = set_archive_limits.keep, max_bytes = set_archive_limits.max_bytes, changed_by = session_user,
      changed_at = now()
  returning l.* into changed;
  return changed;
end $$;

comment on function set_archive_limits(interval, bigint) is
  'Says how long contents of archives are kept, and how many bytes at most (null: no limit).';
