-- The counts are written last, in the same order by everybody: what several parts add to the same row waits
-- for an instant only, and never in a circle. What a part was answered with is there if, and only if, its
-- ended_at is. At most a minute is waited for writers that began before the survey: what they store late is
-- missing then, in the parts that were answered before.
create or replace function run_survey_part(survey_id bigint default null) returns bigint
language plpgsql volatile
set search_path = public, ccx, pg_temp
set jit = off
as $$
declare
  s survey;
  p survey_part;
  began timestamptz;
begin
  select q.* into p
  from survey_part q
  join survey v on v.id = q.survey_id and v.given_up_at is null
  where q.ended_at is null
    and (run_survey_part.survey_id is null or q.survey_id = run_survey_part.survey_id)
    and (v.asked_at < clock_timestamp() - interval '1 minute' or writers_are_done(v.asked_at))
  -- people's questions first
  order by v.is_scheduled, q.survey_id, q.part
  limit 1
  for update of q skip locked;
  if not found then
    return null;
  end if;
  select v.* into s from survey v where v.id = p.survey_id;
  began := clock_timestamp();

  begin
    case s.kind
    when 'decisions' then
      perform count_decisions(s, p);
    when 'noise' then
      perform count_noise(s, p);
    when 'backtest' then
      perform count_backtest(s, p);
    end case;
    update survey_part q
    set ended_at = clock_timestamp(), seconds = extract(epoch from clock_timestamp() - began)
    where q.survey_id = p.survey_id and q.part = p.part;
  exception
  -- somebody holds what it needs: it is taken again
  when lock_not_available or deadlock_detected or serialization_failure then
    raise;
  when others then
    update survey v
    set given_up_at = clock_timestamp(), problem = format('part %s failed: %s', p.part, sqlerrm)
    where v.id = s.id and v.given_up_at is null;
  end;
  return s.id;
end $$;

comment on function run_survey_part(bigint) is
  'Answers the next part of this survey (null: of any); returns its survey, null: no part waits. Workers '
  'call it; whoever is in a hurry may, too, as often and in as many connections as there are processors.';
