-- Not negative and not nothing: an age of 0 would delete everything, and who wants that has truncate.
create or replace function ccx.old_age(max_age text) returns interval
language plpgsql immutable parallel safe
set search_path = public, ccx, pg_temp
as $$
begin
  if max_age is null or not pg_input_is_valid(max_age, 'interval') then
    raise exception 'an age is a time such as "8 days", not "%"', max_age using errcode = 'NTM01';
  end if;
  if max_age::interval <= interval '0' or not isfinite(max_age::interval) then
    raise exception 'an age is more than nothing: "%" would take everything', max_age using errcode = 'NTM01';
  end if;
  return max_age::interval;
end $$;

comment on function ccx.old_age(text) is
  'The age as an interval; raises NTM01 where it is none, or not positive.';
