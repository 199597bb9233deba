-- Days and months are counted in UTC: `timestamptz + interval` alone would follow the session's time zone,
-- and the same decision would come out differently for two people.
create or replace function ccx.add_in_utc(notified_at timestamptz, cooldown interval) returns timestamptz
language sql immutable strict parallel safe
return (notified_at at time zone 'UTC' + cooldown) at time zone 'UTC';

comment on function ccx.add_in_utc(timestamptz, interval) is
  'When an issue notified at notified_at may be notified again under this cooldown; days and months are '
  'counted in UTC.';
