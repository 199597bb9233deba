create or replace function ccx.is_shadow() returns boolean
language sql stable parallel safe
return coalesce((select s.mode = 'shadow' from side_by_side s), false);

comment on function ccx.is_shadow() is
  'True while ours only decides beside the other service: what it sends it does not enter into reported, '
  'and what the other one sends starts no cooldown of ours.';
