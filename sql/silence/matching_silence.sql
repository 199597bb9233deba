create or replace function ccx.matching_silence(
  org_id bigint, cluster text, rule_name text, error_key text, tags text[], at timestamptz
) returns bigint
language sql stable parallel safe
begin atomic
  select min(s.id)
  from silence s
  where s.in_force @> at
    and silence_matches(s, matching_silence.org_id, matching_silence.cluster, matching_silence.rule_name,
      matching_silence.error_key, matching_silence.tags);
end;

comment on function ccx.matching_silence(bigint, text, text, text, text[], timestamptz) is
  'The oldest silence in force at this time that holds an issue with these properties (tags: of the rule''s '
  'content); null: none.';
