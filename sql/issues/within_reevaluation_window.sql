-- What nobody has seen for longer is not asked again when only time has passed, or when people changed
-- something.
create or replace function ccx.within_reevaluation_window(updated_at timestamptz, at timestamptz)
  returns boolean
language sql stable parallel safe
return updated_at > at - interval '24 hours';

comment on function ccx.within_reevaluation_window(timestamptz, timestamptz) is
  'Is a report of updated_at recent enough at this time that its cluster is decided on again without a '
  'newer one.';
