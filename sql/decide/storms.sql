-- How many wait is asked of decide(), about the whole fleet: seconds for a million clusters, and only while a
-- storm goes on.
create or replace view storms with (security_invoker = true) as
select
  s.id,
  t.name as target,
  s.rule_name,
  case when s.ended_at is null then 'going on' when s.released then 'released' else 'dropped' end as state,
  s.began_at,
  s.cluster_limit,
  s.notified,
  case when s.ended_at is null then (
    select count(distinct (d.org_id, d.cluster))
    from decide(s.target_id, now()) d
    where d.reasons = '{storm}' and coalesce(rule_name(d.component) = s.rule_name, s.rule_name is null))
  end as waiting,
  s.ended_at,
  s.ended_by,
  s.reason
from storm s
join event_targets t on t.id = s.target_id;

comment on view storms is
  'Where the brake held notifications: which rule, how many clusters were notified, how many wait, since '
  'when.';
comment on column storms.id is 'number of the storm, for release_storm() and drop_storm()';
comment on column storms.target is 'the target';
comment on column storms.rule_name is 'the rule that is held; null: everything for this target';
comment on column storms.state is 'going on, released or dropped';
comment on column storms.began_at is 'since when it holds';
comment on column storms.cluster_limit is 'how many clusters might be notified within an hour';
comment on column storms.notified is 'how many had been notified in that hour when it began';
comment on column storms.waiting is 'clusters that nothing else holds now; null: it does not go on';
comment on column storms.ended_at is 'when somebody released or dropped it';
comment on column storms.ended_by is 'database user who did';
comment on column storms.reason is 'why';
