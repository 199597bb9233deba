create or replace function ccx.seconds_text(at timestamptz) returns text
language sql stable parallel safe
return to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');

comment on function ccx.seconds_text(timestamptz) is
  'A time as the results API writes it: UTC, whole seconds, Z. Null: null.';
