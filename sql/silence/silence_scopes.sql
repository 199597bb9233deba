-- Comparing every issue with every silence costs more than all the rest of a decision. What a silence names
-- most narrowly is enough to pass over nearly all issues; matching_silence() looks at the others.
create or replace function ccx.silence_scopes(during tstzrange)
returns table (clusters text[], organizations bigint[], rules text[], others boolean)
language sql stable parallel safe rows 1
-- with a SET clause it stays a function, which is called once; its query would be merged into that of
-- decide() and run for every issue
set search_path = public, ccx, pg_temp
as $$
  select
    array_agg(s.cluster) filter (where s.cluster is not null),
    array_agg(s.org_id) filter (where s.cluster is null and s.org_id is not null),
    array_agg(s.rule_name) filter (where num_nonnulls(s.cluster, s.org_id) = 0 and s.rule_name is not null),
    bool_or(num_nonnulls(s.cluster, s.org_id, s.rule_name) = 0)
  from silence s
  where s.in_force && during;
$$;

comment on function ccx.silence_scopes(tstzrange) is
  'What an issue must have one of to be held by a silence that is in force at some time of this range: one '
  'row; others: there are silences that name none of the three.';
