-- Below ten thousand clusters a count of now takes a moment, and is newer. A role that sees only the rows of
-- some organizations sees no row of survey_schedule: it asks anew, and is answered about these.
create or replace function ccx.fleet_is_surveyed() returns boolean
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select exists (select from survey_schedule)
    and (select m.reporting_clusters from sweep_mark m) >= 10000;
$$;

comment on function ccx.fleet_is_surveyed() is
  'Whether pages show the newest survey of the fleet instead of a count of now: 10,000 clusters reported '
  'within a day, and this role sees the rows of every organization.';
