-- Days and months are counted in UTC: `timestamptz + interval` alone would follow the session's time zone,
-- and the same decision would come out differently for two people.
create or replace function cooldown_end(told_at timestamptz, cooldown interval) returns timestamptz
language sql immutable strict parallel safe
return (told_at at time zone 'UTC' + cooldown) at time zone 'UTC';

comment on function cooldown_end(timestamptz, interval) is
  'When an issue told at told_at may be told again under this cooldown; days and months are counted in UTC.';
