-- Taken before any row: whoever waits here holds nothing that the other one needs.
create or replace function ccx.lock_replays() returns void
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  select pg_advisory_xact_lock(hashtextextended('replay', 0));
$$;

comment on function ccx.lock_replays() is
  'Lets only one transaction at a time bring back what was given up (redrive, replay): two at once would '
  'both find that nobody has done it.';
