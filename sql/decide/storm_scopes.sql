-- Storms are rare: what they name is enough to pass over nearly every issue, as silence_scopes() does it.
create or replace function ccx.storm_scopes(at timestamptz) returns table (targets integer[], rules text[])
language sql stable parallel safe rows 1
-- with a SET clause it is called once, not merged into decide() and run for every issue
set search_path = public, ccx, pg_temp
as $$
  select
    array_agg(s.target_id) filter (where s.rule_name is null),
    array_agg(s.rule_name) filter (where s.rule_name is not null)
  from storm s
  where s.began_at < storm_scopes.at and (s.ended_at <= storm_scopes.at and s.released) is not true;
$$;

comment on function ccx.storm_scopes(timestamptz) is
  'What an issue must have one of to be held by a storm at this time, going on or dropped: one row.';
