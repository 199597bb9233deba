create or replace function ccx.count_backtest(s survey, p survey_part) returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  insert into surveyed_day as x (survey_id, day, issues, messages, clusters, organizations)
  select s.id, d.day, d.issues, d.messages, d.clusters, d.organizations
  from backtest_days(s.arguments ->> 'target', (s.arguments ->> 'from')::timestamptz,
    (s.arguments ->> 'to')::timestamptz, s.arguments -> 'policy', (s.arguments ->> 'org_id')::bigint,
    p.first_org, p.last_org) d
  order by d.day
  on conflict on constraint surveyed_day_pkey do update
  set issues = x.issues + excluded.issues, messages = x.messages + excluded.messages,
    clusters = x.clusters + excluded.clusters, organizations = x.organizations + excluded.organizations;
end $$;

comment on function ccx.count_backtest(survey, survey_part) is
  'Replays what a survey of the kind backtest asks for the organizations of a part, and adds the days to '
  'surveyed_day.';
