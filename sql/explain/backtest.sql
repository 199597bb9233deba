create or replace function backtest(
  target text, from_time timestamptz, to_time timestamptz, policy jsonb default null,
  org_id bigint default null
) returns table (day date, issues bigint, messages bigint, clusters bigint, organizations bigint)
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  wanted_target integer := target_id(backtest.target);
begin
  -- added, not subtracted: infinite times have no difference in PostgreSQL 16; in hours, since days follow
  -- the time zone
  if from_time is null or to_time is null or from_time >= to_time
    or to_time > from_time + interval '9600 hours' then
    raise exception 'a backtest goes from one time to a later one, at most 400 days'
      using errcode = 'NTE01';
  end if;
  -- refused even where there is nothing to replay
  perform changed_policy(p, backtest.policy)
  from policy p
  where backtest.policy is not null and p.target_id = wanted_target and p.rule_name is null
    and (p.org_id is null or p.org_id = backtest.org_id) and p.validity && tstzrange(from_time, to_time);
  if backtest.org_id is not null then
    perform notice_unknown_names(backtest.org_id, null, null, null, null);
  end if;
  if not exists (
    select from occurrence o
    where o.known_from < to_time and coalesce(o.known_until > from_time, true))
  then
    raise notice 'no issue of that time is known: nothing can be replayed'
      using hint = 'Retention has deleted it, or nothing was reported (view partitions, table retention).';
  end if;
  return query
    with notified as materialized (
      select t.org_id, t.cluster, t.notified_at, (t.notified_at at time zone 'UTC')::date as day,
        count(*) as issues,
        ceil(count(*)::numeric / min(t.max_events))::bigint as messages
      from backtest_steps(wanted_target, from_time, to_time, backtest.policy, backtest.org_id) t
      group by t.org_id, t.cluster, t.notified_at
    )
    select d.day::date, coalesce(sum(t.issues), 0)::bigint, coalesce(sum(t.messages), 0)::bigint,
      count(distinct (t.org_id, t.cluster)) filter (where t.cluster is not null),
      count(distinct t.org_id)
    from generate_series((from_time at time zone 'UTC')::date,
      ((to_time - interval '1 microsecond') at time zone 'UTC')::date, interval '1 day') as d (day)
    left join notified t on t.day = d.day
    group by d.day
    order by d.day;
end $$;

comment on function backtest(text, timestamptz, timestamptz, jsonb, bigint) is
  'What would have been sent to a target, day by day (UTC), if its policy, or that of one organization, had '
  'had these settings (as for set_policy, ''{"cooldown": "3 days"}''); null: the real policies. Reads only.';
