-- For the schedule: whoever agrees to a load may have no way to the content service.
create or replace function accept_content(
  valid_for interval default '1 hour', at timestamptz default now()
) returns timestamptz
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  until timestamptz := accept_content.at + accept_content.valid_for;
begin
  if accept_content.valid_for is null or accept_content.valid_for not between '1 minute' and '7 days' then
    raise exception 'an agreement holds for 1 minute to 7 days, not for %',
      coalesce(accept_content.valid_for::text, 'null') using errcode = 'NTC03';
  end if;
  update content_guard set accepted_until = until, accepted_by = ccx.person();
  return until;
end $$;

comment on function accept_content(interval, timestamptz) is
  'Agrees to the next load of content that content_guard would refuse, within this time; once. Returns until '
  'when.';
