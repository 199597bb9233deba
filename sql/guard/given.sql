-- Immutable and cheap, although it refuses, so that the query around it is still taken in by its caller.
create or replace function ccx.given(at timestamptz) returns timestamptz
language plpgsql immutable parallel safe cost 1
set search_path = public, ccx, pg_temp
as $$
begin
  if at is null then
    raise exception 'a time is missing: null is no time to ask about' using errcode = 'NTK02';
  end if;
  return at;
end $$;

comment on function ccx.given(timestamptz) is 'The time as it is; raises NTK02 for null.';
