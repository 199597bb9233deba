create or replace function drop_storm(id bigint, reason text, at timestamptz default now()) returns storm
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  select end_storm(drop_storm.id, false, drop_storm.reason, drop_storm.at);
$$;

comment on function drop_storm(bigint, text, timestamptz) is
  'Ends a storm: the issues that it named and that were open stay held until they go (unless their '
  'cooldown ran); what appears later is decided as ever. Raises NTW01 without a reason, NTW02 when no '
  'such storm goes on.';
