create or replace function redrive_announcements(request_id text default null, at timestamptz default now())
  returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  redriven integer;
begin
  update upload_message m
  set due_at = redrive_announcements.at, died_at = null, signed_at = null
  from archive a
  where a.archive_id = m.archive_id and m.kind = 'announcement' and m.died_at is not null
    and a.removed_at is null
    and (redrive_announcements.request_id is null or m.request_id = redrive_announcements.request_id);
  get diagnostics redriven = row_count;
  if redriven > 0 then
    perform wake_announcements();
  end if;
  return redriven;
end $$;

comment on function redrive_announcements(text, timestamptz) is
  'Tries announcements again that were given up: of one upload, or (null) all whose archives are still kept; '
  'returns how many.';
