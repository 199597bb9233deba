create or replace function replayable(
  started_at timestamptz, stopped_at timestamptz, target text default null, org_id bigint default null,
  cluster text default null, rule text default null, again boolean default false
) returns table (target text, state text, messages integer, issues integer, clusters integer)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select p.target, p.state, count(*)::integer, sum(cardinality(p.issue_ids))::integer,
    count(distinct (p.org_id, p.cluster))::integer
  from preview_replay(started_at, stopped_at, replayable.target, replayable.org_id, replayable.cluster,
    replayable.rule, again) p
  group by p.target, p.state
  order by p.target, p.state desc;
$$;

comment on function replayable(timestamptz, timestamptz, text, bigint, text, text, boolean) is
  'What replay() would send again, counted by target and by how it ended (sent or dead); preview_replay() '
  'names the messages.';
