-- Never empty, since an empty range overlaps nothing and the ledger would let the same instant pass twice: a
-- cooldown of 0 holds the instant itself. ("1 month -30 days" is not negative, yet ends before it begins in
-- February.)
create or replace function ccx.cooldown_period(notified_at timestamptz, cooldown interval) returns tstzrange
language sql immutable strict parallel safe
return case
  when ccx.add_in_utc(notified_at, cooldown) > notified_at
    then tstzrange(notified_at, ccx.add_in_utc(notified_at, cooldown))
  else tstzrange(notified_at, notified_at, '[]')
end;

comment on function ccx.cooldown_period(timestamptz, interval) is
  'The time during which an issue notified at notified_at is not notified again, as the ledger''s '
  'constraint needs it.';
