create or replace function ccx.silence_in_force(period tstzrange, created_at timestamptz,
  ended_at timestamptz) returns tstzrange
language sql immutable parallel safe
return case
  when least(upper(period), coalesce(ended_at, 'infinity')) <= greatest(lower(period), created_at)
    then 'empty'::tstzrange
  else tstzrange(greatest(lower(period), created_at), least(upper(period), coalesce(ended_at, 'infinity')))
end;

comment on function ccx.silence_in_force(tstzrange, timestamptz, timestamptz) is
  'When a silence really holds: its period, but not before it was created and not after it was ended.';
