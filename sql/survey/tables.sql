-- What the tables of this room and their columns hold; the tables themselves are in migrations/.

comment on table survey_schedule is 'which surveys workers take by themselves, and how often';
comment on column survey_schedule.kind is 'decisions or noise';
comment on column survey_schedule.every is
  'how often, at most: taking them takes a tenth of one worker''s time; null: never';

comment on table survey is
  'questions about the whole fleet, each about one moment; the view surveys shows how far they are';
comment on column survey.id is 'number of the survey';
comment on column survey.kind is 'decisions (of now), noise (of the week before) or backtest';
comment on column survey.arguments is 'what was asked; of a backtest its arguments';
comment on column survey.at is 'the moment that it is about';
comment on column survey.asked_at is 'when it was asked; its parts wait for transactions that began before';
comment on column survey.asked_by is 'who asked';
comment on column survey.is_scheduled is 'whether survey_schedule asked';
comment on column survey.given_up_at is 'when it was canceled or failed; null: neither';
comment on column survey.problem is 'why it was given up';

comment on table survey_part is 'the parts of surveys: organizations that one transaction answers for';
comment on column survey_part.survey_id is 'the survey';
comment on column survey_part.part is 'number of the part';
comment on column survey_part.first_org is 'the first of its organizations';
comment on column survey_part.last_org is 'the last of its organizations';
comment on column survey_part.clusters is 'how many clusters these had when the survey was asked';
comment on column survey_part.ended_at is 'when it was answered; null: it waits, or is under way';
comment on column survey_part.seconds is 'how long that took';

comment on table surveyed_decision is
  'decisions counted by a survey of that kind; each part adds to them; shown by decision_summary';
comment on column surveyed_decision.survey_id is 'the survey';
comment on column surveyed_decision.grouped_by is 'reason, rule or organization';
comment on column surveyed_decision.name is 'the reason, rule or organization';
comment on column surveyed_decision.target_id is 'the target; null: all of them together';
comment on column surveyed_decision.decision is 'notify or hold';
comment on column surveyed_decision.decisions is 'how many decisions';
comment on column surveyed_decision.clusters is 'of how many clusters';
comment on column surveyed_decision.organizations is 'of how many organizations';

comment on table surveyed_noise is
  'how loud each rule was, counted by a survey of that kind; each part adds to it; shown by noise_summary';
comment on column surveyed_noise.survey_id is 'the survey';
comment on column surveyed_noise.target_id is 'the target';
comment on column surveyed_noise.rule_id is 'the rule';
comment on column surveyed_noise.notified is 'how many times an issue of it was notified';
comment on column surveyed_noise.clusters is 'about how many clusters';
comment on column surveyed_noise.organizations is 'to how many organizations';
comment on column surveyed_noise.sightings is 'in how many reports it was; null: in none that is kept';
comment on column surveyed_noise.occurrences is 'how many times it appeared';
comment on column surveyed_noise.flapping_issues is 'issues of it that flapped at that moment';
comment on column surveyed_noise.gone_within_an_hour is
  'how many times it went within an hour after it had appeared';
comment on column surveyed_noise.open_issues is 'how many clusters had it at that moment';

comment on table surveyed_day is 
  'what a survey of the kind backtest counted; each part adds to it; shown by surveyed_days()';
comment on column surveyed_day.survey_id is 'the survey';
comment on column surveyed_day.day is 'the day (UTC)';
comment on column surveyed_day.issues is 'how many issues would have been notified';
comment on column surveyed_day.messages is 'in how many messages';
comment on column surveyed_day.clusters is 'of how many clusters';
comment on column surveyed_day.organizations is 'to how many organizations';
