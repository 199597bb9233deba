create or replace function backtest(
  target text, from_time timestamptz, to_time timestamptz, policy jsonb default null,
  org_id bigint default null
) returns table (day date, issues bigint, messages bigint, clusters bigint, organizations bigint)
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
begin
  perform check_backtest(backtest.target, from_time, to_time, backtest.policy, backtest.org_id);
  return query
    select d.day, d.issues, d.messages, d.clusters, d.organizations
    from backtest_days(backtest.target, from_time, to_time, backtest.policy, backtest.org_id) d;
end $$;

comment on function backtest(text, timestamptz, timestamptz, jsonb, bigint) is
  'What would have been sent to a target, day by day (UTC), if its policy, or that of one organization, had '
  'had these settings (as for set_policy, ''{"cooldown": "3 days"}''); null: the real policies. Reads only.';
