create or replace view surveys with (security_invoker = true) as
select s.id, s.kind, s.arguments, s.at, s.asked_by, s.is_scheduled,
  case
    when s.given_up_at is not null then 'given up'
    when p.parts = p.parts_done then 'done'
    when p.parts_done > 0 then 'running'
    else 'waiting'
  end as state,
  p.parts, p.parts_done, p.clusters, p.clusters_done, p.seconds,
  case when s.given_up_at is null and p.parts > p.parts_done then
    case when p.clusters_done > 0 then p.seconds * (p.clusters - p.clusters_done) / p.clusters_done
      else ccx.survey_estimate(s.kind, s.arguments, p.clusters) end
  end as seconds_left,
  coalesce(s.given_up_at, case when p.parts = p.parts_done then p.ended_at end) as ended_at,
  s.problem
from survey s
cross join lateral (
  select count(*)::integer as parts, count(p.ended_at)::integer as parts_done,
    coalesce(sum(p.clusters), 0)::integer as clusters,
    coalesce(sum(p.clusters) filter (where p.ended_at is not null), 0)::integer as clusters_done,
    coalesce(sum(p.seconds), 0) as seconds, max(p.ended_at) as ended_at
  from survey_part p
  where p.survey_id = s.id
) p;

comment on view surveys is
  'Questions about the whole fleet that were asked, how far each is, and how long it will take.';
comment on column surveys.id is 'number of the survey';
comment on column surveys.kind is 'decisions, noise or backtest';
comment on column surveys.arguments is 'what was asked';
comment on column surveys.at is 'the moment that it is about';
comment on column surveys.asked_by is 'who asked';
comment on column surveys.is_scheduled is 'whether survey_schedule asked';
comment on column surveys.state is 'waiting, running, done or given up';
comment on column surveys.parts is 'into how many parts it is cut';
comment on column surveys.parts_done is 'how many of them are answered';
comment on column surveys.clusters is 'how many clusters there were when it was asked';
comment on column surveys.clusters_done is 'how many of them are in parts that are answered';
comment on column surveys.seconds is 'how long the parts took so far, added up';
comment on column surveys.seconds_left is
  'how long the others will take one process; several share it; null: it ended, or nothing is known yet';
comment on column surveys.ended_at is 'when it was done or given up';
comment on column surveys.problem is 'why it was given up; null: it was not';
