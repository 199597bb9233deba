-- What nobody finished within two hours is given up: it fails again and again, or nobody works. The newest
-- counts of decisions and noise stay until there are newer ones, a backtest for a day.
create or replace function ccx.tend_surveys(at timestamptz default clock_timestamp()) returns void
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  update survey s
  set given_up_at = tend_surveys.at, problem = 'not finished within two hours'
  where s.given_up_at is null and s.at < tend_surveys.at - interval '2 hours'
    and exists (select from survey_part p where p.survey_id = s.id and p.ended_at is null);

  delete from survey s
  where s.id < newest_survey(s.kind) and s.kind <> 'backtest'
    or s.at < tend_surveys.at - interval '1 day' and (s.kind = 'backtest' or s.given_up_at is not null);

  -- taking them takes at most a tenth of one process's time
  perform ask_survey(c.kind, at_most_old => '0', scheduled => true)
  from survey_schedule c
  left join lateral (
    select s.at, (select sum(p.seconds) from survey_part p where p.survey_id = s.id) as seconds
    from survey s
    where s.kind = c.kind and s.given_up_at is null
    order by s.at desc
    limit 1) last on true
  where c.every is not null and fleet_is_surveyed()
    and tend_surveys.at >=
      coalesce(last.at + greatest(c.every, last.seconds * interval '10 seconds'), '-infinity');
  if exists (
    select from survey s
    join survey_part p on p.survey_id = s.id
    where s.given_up_at is null and p.ended_at is null)
  then
    perform wake_up('survey', 'survey');
  end if;
end $$;

comment on function ccx.tend_surveys(timestamptz) is
  'Asks the surveys of survey_schedule that are due where the fleet is large, gives up what nobody finishes, '
  'deletes what is old, and wakes the workers for what is left.';
