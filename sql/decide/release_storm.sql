create or replace function release_storm(id bigint, reason text, at timestamptz default now()) returns storm
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  select end_storm(release_storm.id, true, release_storm.reason, release_storm.at);
$$;

comment on function release_storm(bigint, text, timestamptz) is
  'Ends a storm: what it held is decided anew, by what counts then, and for a day the brake does not '
  'count the rule. Raises NTW01 without a reason, NTW02 when no such storm goes on.';
