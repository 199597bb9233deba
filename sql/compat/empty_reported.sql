create or replace function ccx.empty_reported() returns void
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  truncate reported;
$$;

comment on function ccx.empty_reported() is
  'Empties reported and gives its room back; waits for whoever reads it. The ledger stays.';
