create or replace function ccx.note_removed(archive_ids bigint[], at timestamptz default now())
  returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  noted integer;
  forgotten integer;
begin
  delete from archive a where a.archive_id = any (note_removed.archive_ids) and a.forgotten_at is not null;
  get diagnostics forgotten = row_count;
  update archive a
  set removed_at = note_removed.at
  where a.archive_id = any (note_removed.archive_ids) and a.removed_at is null;
  get diagnostics noted = row_count;
  return noted + forgotten;
end $$;

comment on function ccx.note_removed(bigint[], timestamptz) is
  'Records that the contents of these archives are gone from the store; returns how many are by that. An '
  'archive that is to be forgotten goes with its content.';
