create or replace function ccx.released_storms(at timestamptz)
  returns table (target_id integer, rule_name text)
language sql stable
begin atomic
  select s.target_id, s.rule_name
  from storm s
  where s.released and s.ended_at <= released_storms.at
    and s.ended_at > released_storms.at - interval '24 hours';
end;

comment on function ccx.released_storms(timestamptz) is
  'What somebody has released a storm of within a day, by target and rule (null: all rules): the brake does '
  'not count it.';
