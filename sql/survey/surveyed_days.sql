create or replace function surveyed_days(survey_id bigint)
returns table (day date, issues bigint, messages bigint, clusters bigint, organizations bigint)
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  state text := (select s.state from surveys s where s.id = surveyed_days.survey_id and s.kind = 'backtest');
begin
  if state is null then
    raise exception 'there is no backtest %', surveyed_days.survey_id using errcode = 'NTE04';
  elsif state <> 'done' then
    raise exception 'backtest % is not done: it is %', surveyed_days.survey_id, state using errcode = 'NTE05';
  end if;
  return query
    select d.day, d.issues, d.messages, d.clusters, d.organizations
    from surveyed_day d
    where d.survey_id = surveyed_days.survey_id
    order by d.day;
end $$;

comment on function surveyed_days(bigint) is
  'The answer of a survey of the kind backtest, day by day, as backtest() gives it.';
