create or replace function ccx.backtest_days(
  target text, from_time timestamptz, to_time timestamptz, policy jsonb, org_id bigint,
  first_org bigint default null, last_org bigint default null
) returns table (day date, issues bigint, messages bigint, clusters bigint, organizations bigint)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  with notified as materialized (
    select t.org_id, t.cluster, t.notified_at, (t.notified_at at time zone 'UTC')::date as day,
      count(*) as issues,
      ceil(count(*)::numeric / min(t.max_events))::bigint as messages
    from backtest_steps(target_id(backtest_days.target), from_time, to_time, backtest_days.policy,
      backtest_days.org_id, first_org, last_org) t
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
$$;

comment on function ccx.backtest_days(text, timestamptz, timestamptz, jsonb, bigint, bigint, bigint) is
  'backtest() without its checks, of the organizations from first_org to last_org (null: without a bound).';
