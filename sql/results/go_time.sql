create or replace function ccx.go_time(at timestamptz) returns jsonb
language sql stable parallel safe
return jsonb_build_object('Time', coalesce(exact_text(at), '0001-01-01T00:00:00Z'), 'Valid', at is not null);

comment on function ccx.go_time(timestamptz) is
  'A time that may be missing, as the aggregator writes it: {Time, Valid}.';
