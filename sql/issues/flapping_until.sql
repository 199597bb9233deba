-- As many occurrences as make an issue flapping: the first of them has to leave the window. By when they
-- became known here.
create or replace function ccx.flapping_until(
  issue_id bigint, occurrence integer, flapping_occurrences smallint, flapping_window interval
) returns timestamptz
language sql stable parallel safe
begin atomic
  select add_in_utc(o.known_from, flapping_until.flapping_window)
  from occurrence o
  where o.issue_id = flapping_until.issue_id
    and o.occurrence = flapping_until.occurrence - flapping_until.flapping_occurrences + 1;
end;

comment on function ccx.flapping_until(bigint, integer, smallint, interval) is
  'Until when an issue, at this occurrence, counts as flapping: the end of the window in which it appeared '
  'flapping_occurrences times; null or past: it does not.';
