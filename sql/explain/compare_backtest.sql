create or replace function compare_backtest(
  target text, from_time timestamptz, to_time timestamptz, policy jsonb,
  org_id bigint default null
) returns table (
  day date, issues_before bigint, issues bigint, messages_before bigint, messages bigint,
    clusters_before bigint,
  clusters bigint, organizations_before bigint, organizations bigint
)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select day, b.issues, a.issues, b.messages, a.messages, b.clusters, a.clusters, b.organizations,
    a.organizations
  from backtest(compare_backtest.target, from_time, to_time, org_id => compare_backtest.org_id) b
  join backtest(compare_backtest.target, from_time, to_time, compare_backtest.policy,
    compare_backtest.org_id) a
    using (day)
  order by day;
$$;

comment on function compare_backtest(text, timestamptz, timestamptz, jsonb, bigint) is
  'What was sent to a target (…_before) beside what backtest() says would have been with these settings, '
  'day by day (UTC), for one organization or for all.';
