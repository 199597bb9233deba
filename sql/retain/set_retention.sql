create or replace function set_retention(parent text, keep interval) returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  if set_retention.keep < longest_cooldown() then
    raise exception 'a retention of % is shorter than the longest cooldown, %', set_retention.keep,
      longest_cooldown()
      using errcode = 'NTR02',
        hint = 'Decisions have to remember what was notified for that long: shorten the cooldown first.';
  end if;
  update retention r
  set keep = set_retention.keep, changed_by = session_user, changed_at = now()
  where r.parent = set_retention.parent;
  if not found then
    raise exception 'table % is not partitioned by day', parent using errcode = 'NTR01';
  end if;
end $$;

comment on function set_retention(text, interval) is
  'Says how long new_reports or reported keeps a day; raises NTR02 for less than the longest cooldown.';
