create or replace function ccx.retention_horizon(parent text, at timestamptz default now())
  returns timestamptz
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select (date_trunc('day', at at time zone 'UTC' - greatest(r.keep,
    longest_cooldown(at)))) at time zone 'UTC'
  from retention r
  where r.parent = retention_horizon.parent;
$$;

comment on function ccx.retention_horizon(text, timestamptz) is
  'The beginning of the oldest day (UTC) that new_reports or reported keeps: what retention says, but never '
  'less than the longest cooldown.';
