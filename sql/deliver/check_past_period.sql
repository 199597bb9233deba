create or replace function ccx.check_past_period(started_at timestamptz, stopped_at timestamptz,
  at timestamptz) returns boolean
language plpgsql immutable
set search_path = public, ccx, pg_temp
as $$
begin
  if started_at >= stopped_at or stopped_at > at or started_at is null or stopped_at is null then
    raise exception 'a replay needs a stretch of the past: it begins before it ends, and has ended already'
      using errcode = 'NTD02';
  end if;
  return true;
end $$;

comment on function ccx.check_past_period(timestamptz, timestamptz, timestamptz) is
  'True for a stretch of time that can be replayed; an error that says why for any other.';
