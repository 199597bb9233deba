-- A fleet as if it had reported every two hours and been decided on for eight weeks, with the outcome of that
-- in every table, the same each time. Takes `bench.clusters` and `bench.at` (the present). What few rows need
-- goes the way people and triggers take; the rest is written with triggers and foreign keys off, and has to
-- be what they would have made of it: drift proves it.
--
-- Every issue is notified when it appears, and again when each cooldown ends.
create function pg_temp.at()
  returns timestamptz language sql stable return current_setting('bench.at')::timestamptz;
create function pg_temp.pick(seed text, choices integer) returns integer
language sql immutable return ((hashtextextended(seed, 42) & 2147483647) % choices)::integer;

-- What people set ---------------------------------------------------------------------------------------------------

insert into rule (component, error_key)
select format('ccx_rules_ocp.external.rules.rule_%s.report', n / 2), 'KEY_' || n % 2
from generate_series(0, 199) n;

create temp table content on commit drop as
select jsonb_agg(jsonb_build_object(
  'rule_name', r.rule_name, 'error_key', r.error_key, 'python_module', 'ccx_rules_ocp.external.rules.' || r.rule_name,
  'description', r.rule_name || ' is wrong', 'generic', '', 'summary', '', 'reason', 'because', 'resolution', 'wait',
  'more_info', '', 'impact', 1 + pg_temp.pick('impact ' || r.id, 4), 'likelihood', 1 + pg_temp.pick('likelihood ' || r.id, 4),
  'status', case when r.id % 50 = 49 then 'inactive' else 'active' end, 'publish_date', null,
  'tags', case when r.id % 3 = 0 then '["osd_customer"]' else '[]' end::jsonb)) as whole
from rule r;
select load_content(whole, pg_temp.at() - interval '100 days') from content;
-- five texts changed three days ago
select load_content(
  (select jsonb_agg(case when nth <= 5 then c || '{"reason": "because of that"}' else c end order by nth)
    from jsonb_array_elements(whole) with ordinality as e (c, nth)),
  pg_temp.at() - interval '3 days')
from content;

-- a benchmark notifies a fleet at once, and of old reports: the brake counts, but never holds
set session_replication_role = replica;
update policy set storm_minimum = 1000000000, max_report_age = null;
set session_replication_role = default;
select set_policy(p.target, p.change::jsonb, 'for the benchmark', pg_temp.at() - interval '99 days', p.org_id,
  p.rule)
from (values
  ('service log', '{"enabled": true}', null, null),
  ('notifications backend', '{"cooldown": "3 days"}', 1, null),
  ('notifications backend', '{"enabled": false}', 2, null),
  ('notifications backend', '{"required_tags": ["osd_customer"]}', 3, null),
  ('notifications backend', '{"cooldown": "14 days"}', null, 'rule_5'),
  ('notifications backend', '{"filter": "totalRisk > 2 || likelihood == 4"}', null, 'rule_7'),
  ('service log', '{"likelihood_threshold": 2}', null, 'rule_9')
) p (target, change, org_id, rule);

-- in force since a day or two, and long over
select add_silence(pg_temp.at() + interval '5 days', 'for the benchmark', org_id => 4 + n % 3,
  rule => 'rule_' || 2 * n,
  at => pg_temp.at() - interval '1 day' * (1 + n % 2))
from generate_series(1, 10) n;
select add_silence(pg_temp.at() - interval '1 day' * (20 - n % 7), 'for the benchmark', org_id => 4 + n % 5,
  rule => 'rule_' || n,
  at => pg_temp.at() - interval '30 days')
from generate_series(1, 30) n;

-- Clusters and what is wrong with them -------------------------------------------------------------------------------

create temp table fleet on commit drop as
select n, (case when n % 20 = 0 then 1 + n / 20 % 10 else 10 + n / 3 end)::bigint as org_id,
  md5('cluster ' || n)::uuid::text collate "C" as cluster,
  pg_temp.at() - interval '1 minute' - interval '1 second' * pg_temp.pick('reported ' || n,
    7200) as updated_at
from generate_series(1, current_setting('bench.clusters')::integer) n;

insert into rule_disable (org_id, rule_id, error_key, created_at)
select distinct f.org_id::text, 'rule_' || pg_temp.pick('disabled ' || f.n, 100), '',
  pg_temp.at() - interval '2 days'
from fleet f
where pg_temp.pick('disables ' || f.n, 200) = 0;
insert into cluster_rule_toggle (cluster_id, rule_id, error_key, disabled, disabled_at, updated_at)
select f.cluster, 'rule_' || pg_temp.pick('toggled ' || f.n, 100), '', 1, a.disabled_at, a.disabled_at
from fleet f
cross join lateral (select pg_temp.at() - interval '1 day' * case f.n % 2 when 0
  then 2 else 20 end as disabled_at) a
where pg_temp.pick('toggles ' || f.n, 200) = 0;
update cluster_rule_toggle set disabled = 0, enabled_at = disabled_at + interval '9 days'
where disabled_at < pg_temp.at() - interval '10 days';
-- of which everybody has been asked again long since
delete from decision_request;

set local session_replication_role = replica;

insert into latest_report (org_id, cluster, updated_at, previous_at, received_at)
select org_id, cluster, updated_at, updated_at - interval '2 hours', updated_at + interval '3 seconds'
from fleet;

-- 1 to 5 open issues each, and sometimes one that went (nth 0); some rules are seen much more than others.
-- Ages in reports: half of a cluster's issues came together. Those that came back did so within three days,
-- the flapping ones within one.
create temp table given on commit drop as
select distinct on (g.cluster, g.rule_id) nextval(pg_get_serial_sequence('issue', 'id')) as id, g.*,
  g.updated_at - interval '2 hours' * g.age as opened_at,
  case when g.age < 36 then 1
    else (array[1, 1, 1, 1, 1, 1, 1, 1, 2, 5])[1 + pg_temp.pick('comes back ' || g.key, 10)] end
    as occurrences,
  case when g.nth = 0 then g.updated_at - interval '2 hours' * pg_temp.pick('goes ' || g.key,
    greatest(g.age - 35, 1)) end
    as closed_at
from (
  select f.*, i.nth, f.n || ' ' || i.nth as key,
    1 + (199 * (pg_temp.pick('rule ' || f.n || ' ' || i.nth, 1000) / 1000.0) ^ 2)::integer as rule_id,
    pg_temp.pick('age ' || f.n || ' ' || case pg_temp.pick('together ' || f.n || i.nth, 2) when 0
      then i.nth else 1 end, 660) as age
  from fleet f
  cross join lateral generate_series(
    least(pg_temp.pick('went ' || f.n, 5), 1), 1 + pg_temp.pick('issues ' || f.n, 5)) i (nth)
) g
where g.nth > 0 or g.age > 40
order by g.cluster, g.rule_id, g.nth desc;

create temp table happened on commit drop as
select g.id, turn as occurrence, g.opened_at + s.step * (turn - 1) as opened_at,
  case when turn < g.occurrences then g.opened_at + s.step * (turn - 0.5) else g.closed_at end as closed_at
from given g
cross join lateral (select case g.occurrences when 5
  then interval '4 hours' else interval '2 days' end as step) s
cross join lateral generate_series(1, g.occurrences) turn;

insert into issue (id, org_id, cluster, rule_id, first_seen, opened_at, closed_at, occurrence)
overriding system value
select g.id, g.org_id, g.cluster, g.rule_id, g.opened_at, h.opened_at, h.closed_at, h.occurrence
from given g
join happened h on h.id = g.id and h.occurrence = g.occurrences
order by h.opened_at, g.id;
insert into occurrence (issue_id, occurrence, opened_at, closed_at, known_from, known_until)
select id, occurrence, opened_at, closed_at, opened_at + interval '3 seconds',
  closed_at + interval '3 seconds'
from happened
order by opened_at, id;
analyze issue, occurrence, latest_report, rule, rule_content, policy;

select ensure_partitions(pg_temp.at()),
  ensure_partition('new_reports', (pg_temp.at() at time zone 'UTC')::date - 1);
insert into new_reports (org_id, cluster, report, updated_at, received_at)
select f.org_id, f.cluster,
  jsonb_build_object('reports', coalesce(jsonb_agg(
    jsonb_build_object('component', r.component, 'key', r.error_key, 'details',
      jsonb_build_object('error_key', r.error_key)))
    filter (where g.closed_at is null), '[]')),
  f.updated_at, f.updated_at + interval '3 seconds'
from fleet f
join given g on g.cluster = f.cluster
join rule r on r.id = g.rule_id
group by f.org_id, f.cluster, f.updated_at
order by f.updated_at;

-- What was notified ------------------------------------------------------------------------------------------------------

create temp table qualifying on commit drop as
select v.target_id, g.id as issue_id, g.org_id, g.cluster, v.rule_name, v.error_key, v.tags,
  (v.policy).id as policy_id, (v.policy).cooldown,
  g.occurrences, h.known_from, h.known_until
from verdict(null, pg_temp.at()) v
join given g on g.id = v.issue_id
join (select issue_id, min(known_from), max(coalesce(known_until, 'infinity'))
  from occurrence group by issue_id)
  h (issue_id, known_from, known_until) on h.issue_id = g.id
where cardinality(v.reasons) = 0;
create temp table hushed on commit drop as
select q.target_id, q.issue_id, s.in_force as period
from qualifying q
join silence s on silence_matches(s, q.org_id, q.cluster, q.rule_name, q.error_key, q.tags)
union all
select q.target_id, q.issue_id, a.period
from qualifying q
join acknowledgement a on a.rule_name = q.rule_name
  and (a.org_id is null or a.org_id = q.org_id) and (a.cluster is null or a.cluster = q.cluster);
analyze qualifying, hushed;

-- the Service Log gets a message for each issue, the other one for each decision
create temp table to_notify on commit drop as
select dense_rank() over (order by t.notified_at, q.target_id, q.cluster, case q.target_id when 2
  then q.issue_id end) as notification_id,
  q.*, t.notified_at, case when t.nth = 0 then 1 else q.occurrences end as occurrence
from qualifying q
cross join lateral (
  select nth, q.known_from + interval '2 seconds' + nth * q.cooldown as notified_at
  from generate_series(0, (extract(epoch from pg_temp.at() - q.known_from) / extract(epoch
    from q.cooldown))::integer) nth
) t
where t.notified_at < least(q.known_until, pg_temp.at())
  and not exists (
    select from hushed h
    where h.issue_id = q.issue_id and h.target_id = q.target_id and h.period @> t.notified_at);

insert into notification (id, target_id, org_id, account_number, cluster, updated_at, decided_at, state,
  attempts,
  next_attempt_at, ended_at)
select distinct on (notification_id) notification_id, target_id, org_id, 0, cluster,
  notified_at - interval '5 seconds', notified_at,
  'sent', 1, notified_at, notified_at + interval '1 second'
from to_notify
order by notification_id;
select setval(pg_get_serial_sequence('notification', 'id'), max(id)) from notification;
insert into notified_issue (notification_id, issue_id, target_id, notified_at, cooldown_period, occurrence,
  content_id, policy_id,
  superseded_at)
select t.notification_id, t.issue_id, t.target_id, t.notified_at, cooldown_period(t.notified_at, t.cooldown),
  t.occurrence, c.id, t.policy_id,
  lead(t.notified_at, 1, 'infinity') over (partition by t.issue_id, t.target_id order by t.notified_at)
from to_notify t
join rule_content c on c.rule_name = t.rule_name and c.error_key = t.error_key and c.validity @> t.notified_at
order by t.notification_id, t.issue_id;

-- of the last nine days: what was sent, and for each cluster and day one of the decisions that notified
-- nothing
select ensure_partition('reported', (pg_temp.at() at time zone 'UTC')::date - day)
  from generate_series(1, 10) day;
insert into reported (org_id, account_number, cluster, notification_type, state, report, updated_at,
  notified_at, error_log,
  event_type_id)
select distinct on (n.decided_at, n.org_id, n.cluster, n.target_id)
  n.org_id, 0, n.cluster, 1, 1, '{}', n.updated_at, n.decided_at, '', n.target_id
from notification n
where n.decided_at > pg_temp.at() - interval '9 days'
order by n.decided_at, n.org_id, n.cluster, n.target_id;
insert into reported (org_id, account_number, cluster, notification_type, state, report, updated_at,
  notified_at, error_log,
  event_type_id)
select f.org_id, 0, f.cluster, 1, 2, '', d.at, d.at + interval '5 seconds', '', t.id
from generate_series(1, 9) day
cross join fleet f
cross join event_targets t
-- not at a moment at which something was notified: then that decision would have
cross join lateral (select f.updated_at - interval '1 day' * day - interval '1 hour' as at) d
on conflict do nothing;
update sweep_mark set cooldowns_until = pg_temp.at();
