-- Only days near the clock get partitions: a report that claims to be from the year 1970 goes to the default
-- partition instead of making one more table. What is ahead is made in time, so the default stays almost
-- empty.
create or replace function ccx.ensure_partitions(at timestamptz default now()) returns integer
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  select count(*) filter (where ensure_partition(parent, day::date))::integer
  from unnest(array['new_reports', 'reported']) as parent
  cross join generate_series((at at time zone 'UTC')::date, (at at time zone 'UTC')::date + 3,
    interval '1 day') as day;
$$;

comment on function ccx.ensure_partitions(timestamptz) is
  'Makes the partitions for today and the next three days (UTC); returns how many were made.';
