-- Never empty, since an empty range overlaps nothing and the ledger would let the same instant pass twice: a cooldown of 0
-- holds the instant itself. ("1 month -30 days" is not negative, yet ends before it begins in February.)
create or replace function cooldown_period(told_at timestamptz, cooldown interval) returns tstzrange
language sql immutable strict parallel safe
return case
  when cooldown_end(told_at, cooldown) > told_at then tstzrange(told_at, cooldown_end(told_at, cooldown))
  else tstzrange(told_at, told_at, '[]')
end;

comment on function cooldown_period(timestamptz, interval) is
  'The time during which an issue told at told_at is not told again, as the ledger''s constraint needs it.';
