create or replace function ccx.exact_text(at timestamptz) returns text
language sql stable parallel safe
return rtrim(rtrim(to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '0'), '.') || 'Z';

comment on function ccx.exact_text(timestamptz) is
  'A time in UTC with as many decimals as it has, as Go writes it. Null: null.';
