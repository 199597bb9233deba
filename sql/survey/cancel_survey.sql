create or replace function cancel_survey(id bigint) returns boolean
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
begin
  if not exists (select from survey s where s.id = cancel_survey.id) then
    raise exception 'there is no survey %', cancel_survey.id using errcode = 'NTE04';
  end if;
  update survey s
  set given_up_at = clock_timestamp(), problem = 'canceled by ' || person()
  where s.id = cancel_survey.id and s.given_up_at is null
    and exists (select from survey_part p where p.survey_id = s.id and p.ended_at is null);
  return found;
end $$;

comment on function cancel_survey(bigint) is
  'Ends a survey: parts that are under way end, others do not begin. Returns whether it was not over yet.';
