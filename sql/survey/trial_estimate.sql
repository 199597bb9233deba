-- A trial decides twice on each open issue, before and after the change; how many there are, and how long a
-- decision takes this server, is in the newest survey. Its parts look up what one query joins, which is a
-- little faster. A trial of the past replays it twice. Where nothing was measured, nothing is guessed:
-- workers survey a fleet of 10,000 clusters by themselves, and a smaller one takes a moment.
create or replace function ccx.trial_estimate(
  target text, org_id bigint default null, from_time timestamptz default null,
  to_time timestamptz default null
) returns table (decisions bigint, seconds double precision)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  with newest as (
    select s.id, s.clusters, s.seconds
    from surveys s
    where s.id = newest_survey('decisions')
  ), counted as (
    select sum(d.decisions) as decisions, sum(d.decisions) filter (where t.name = trial_estimate.target
      and (trial_estimate.org_id is null or d.name = trial_estimate.org_id::text)) as tried
    from surveyed_decision d
    join event_targets t on t.id = d.target_id
    where d.survey_id = (select n.id from newest n) and d.grouped_by = 'organization'
  )
  select 2 * coalesce(c.tried, 0)::bigint, 2 * coalesce(c.tried, 0) * n.seconds / nullif(c.decisions, 0)
  from newest n
  cross join counted c
  where trial_estimate.from_time is null
  union all
  select null, 2 * survey_estimate('backtest', jsonb_build_object('from', trial_estimate.from_time,
    'to', trial_estimate.to_time), n.clusters)
  from newest n
  where trial_estimate.from_time is not null and trial_estimate.org_id is null
$$;

comment on function ccx.trial_estimate(text, bigint, timestamptz, timestamptz) is
  'About how many seconds it takes to try a change of policy, now or between two times, of a target or '
  'of one organization, and how many decisions that is, by what surveys took; no row, or null: unknown.';
