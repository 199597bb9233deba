-- silence_matches(), turned into look-ups: whatever a silence leaves open stands in its index as nothing,
-- so an issue asks for nothing and for its own value in each column, and finds the few that match among any
-- number. With silence_matches() each issue was compared with each silence of its rule (15 s for 1,000
-- issues and 2,000 silences). The bounds of in_force stand apart, so that no other index is tried, and no
-- statistics matter.
--
-- A function compares its arguments as its caller would: called with a cluster, whose column is "C", it would
-- compare names that way, too, which the index does not, and read every silence for each issue (1,000 issues
-- and 1,000 silences: 195 s in place of 1.2).
--
-- `+ 0`, or the planner walks along the primary key to find the least number, and reads every silence where
-- none matches (3,000 silences of many rules: 30 ms for each issue in place of 0.1).
create or replace function ccx.matching_silence(
  org_id bigint, cluster text, rule_name text, error_key text, tags text[], at timestamptz
) returns bigint
language sql stable parallel safe
set search_path = public, ccx, pg_temp
set enable_seqscan = off
as $$
  select min(s.id + 0)
  from silence s
  where coalesce(s.cluster, '') = any (array['', matching_silence.cluster])
    and coalesce(s.org_id, 0) = any (array[0, matching_silence.org_id])
    and coalesce(s.rule_name, '') = any (array['', matching_silence.rule_name collate "default"])
    and coalesce(s.error_key, '') = any (array['', matching_silence.error_key collate "default"])
    and coalesce(s.tag, '') = any ((array[''] || matching_silence.tags) collate "default")
    and lower(s.in_force) <= matching_silence.at and upper(s.in_force) > matching_silence.at;
$$;

comment on function ccx.matching_silence(bigint, text, text, text, text[], timestamptz) is
  'The oldest silence in force at this time that holds an issue with these properties (tags: of the rule''s '
  'content); null: none.';
