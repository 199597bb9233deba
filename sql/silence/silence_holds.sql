create or replace function ccx.silence_holds(id bigint, at timestamptz default now()) returns integer
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select count(*)::integer
  from silence s
  cross join lateral silenced_issues(s, silence_holds.at)
  where s.id = silence_holds.id;
$$;

comment on function ccx.silence_holds(bigint, timestamptz) is
  'How many open issues match this silence.';
