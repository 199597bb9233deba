create or replace function ccx.storm_released(target integer, rule_name text, at timestamptz) returns boolean
language sql stable
begin atomic
  select exists (
    select from storm s
    where s.released and s.target_id = storm_released.target
      and s.rule_name is not distinct from storm_released.rule_name
      and s.ended_at <= storm_released.at and s.ended_at > storm_released.at - interval '24 hours');
end;

comment on function ccx.storm_released(integer, text, timestamptz) is
  'Has somebody released a storm of this rule (null: of all rules) within a day: then the brake does not '
  'count it.';
