create or replace function ccx.is_internal(module text) returns boolean
language sql immutable parallel safe
return split_part(module, '.', 2) in ('internal', 'ocs');

comment on function ccx.is_internal(text) is
  'Whether a rule is one of the vendor''s own, which only organizations on a list are shown.';
