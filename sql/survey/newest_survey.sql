create or replace function ccx.newest_survey(kind text) returns bigint
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select s.id
  from survey s
  where s.kind = newest_survey.kind and s.given_up_at is null
    and not exists (select from survey_part p where p.survey_id = s.id and p.ended_at is null)
  order by s.at desc
  limit 1
$$;

comment on function ccx.newest_survey(text) is
  'The newest survey of this kind that is done; null: there is none.';
