-- What the two notified within a period, issue by issue, where they differ. A row that the other one sent has
-- the whole report: of its hits those count that qualify by our policies, and that the row before it, if that
-- was within the cooldown, did not have. That is the rule by which it decides.
create or replace function compare_notifications(since timestamptz, until timestamptz default now())
returns table (
  target text, org_id bigint, cluster text, component text, error_key text, notified_by text,
  notified_at timestamptz, why text
)
language plpgsql stable
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
begin
  if coalesce(compare_notifications.since >= compare_notifications.until, true) then
    raise exception 'the period has to end after it begins' using errcode = 'NTM05';
  end if;
  return query
  with other as materialized (
    select r.event_type_id as target_id, r.org_id, lower(r.cluster) collate "C" as cluster, r.notified_at,
      r.state, r.error_log, readable_report(r.report) as report
    from reported r
    where r.notified_at >= compare_notifications.since - longest_cooldown()
      and r.notified_at < compare_notifications.until
      and not exists (
        select from notification n
        where n.cluster = lower(r.cluster) and n.org_id = r.org_id and n.decided_at = r.notified_at
          and n.target_id = r.event_type_id and n.result is distinct from '{"imported": true}')
  ), sent as materialized (
    select o.*, lag(o.notified_at) over same as before_at, lag(o.report) over same as report_before
    from other o
    where o.state = 1
    window same as (partition by o.target_id, o.org_id, o.cluster order by o.notified_at)
  ), verdicts as materialized (
    select v.*
    from verdict(null, compare_notifications.until, array(select distinct s.cluster from sent s)) v
  ), theirs as materialized (
    select s.target_id, s.org_id, s.cluster, h.component, h.error_key, max(s.notified_at) as notified_at
    from sent s
    cross join lateral report_hits(s.report) h
    left join verdicts v on v.target_id = s.target_id and v.org_id = s.org_id and v.cluster = s.cluster
      and v.component = h.component and v.error_key = h.error_key
    where s.notified_at >= compare_notifications.since
      and not coalesce(v.reasons, '{}') && '{below_threshold,filtered,missing_tag}'
      and not exists (
        select from report_hits(s.report_before) b
        where b.component = h.component and b.error_key = h.error_key
          and s.before_at > s.notified_at - coalesce((v.policy).cooldown, longest_cooldown()))
    group by s.target_id, s.org_id, s.cluster, h.component, h.error_key
  ), ours as materialized (
    select l.target_id, i.org_id, i.cluster, r.component, r.error_key, max(l.notified_at) as notified_at
    from notified_issue l
    join notification n on n.id = l.notification_id
    join issue i on i.id = l.issue_id
    join rule r on r.id = i.rule_id
    where l.notified_at >= compare_notifications.since and l.notified_at < compare_notifications.until
      and l.live and not l.resolved and n.replay_of is null and n.result is distinct from '{"imported": true}'
    group by l.target_id, i.org_id, i.cluster, r.component, r.error_key
  ), different as materialized (
    select target_id, org_id, cluster, component, error_key, t.notified_at as theirs_at,
      o.notified_at as ours_at
    from theirs t
    full join ours o using (target_id, org_id, cluster, component, error_key)
    where t.notified_at is null or o.notified_at is null
  ), answer as materialized (
    select d.target_id, d.org_id, d.cluster, d.component, d.error_key, d.reasons, d.last_notified_at
    from decide(null, compare_notifications.until,
      array(select distinct x.cluster from different x where x.ours_at is null)) d
  )
  select e.name, d.org_id, d.cluster::text, d.component, d.error_key,
    case when d.ours_at is null then 'theirs' else 'ours' end, coalesce(d.ours_at, d.theirs_at),
    case
      when d.ours_at is not null then coalesce(
        (select case
            when o.state = 4
              then 'the other one failed to send: ' || coalesce(nullif(o.error_log, ''), 'no reason')
            when o.state = 1 and exists (
              select from report_hits(o.report) h
              where h.component = d.component and h.error_key = d.error_key)
              then format('the other one sent a report that had it at %s, and counts its cooldown by cluster',
                to_char(o.notified_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'))
            when o.state = 1 then 'the other one sent a report without it'
            else 'the other one skipped the report as the same' end
          from other o
          where o.target_id = d.target_id and o.org_id = d.org_id and o.cluster = d.cluster
          order by o.notified_at desc
          limit 1),
        'the other one has no row of this cluster')
      when a.component is null then 'ours knows no such open issue'
      when a.reasons = '{}' then 'ours is about to notify it'
      else 'ours holds it: ' || array_to_string(a.reasons, ', ')
    end
  from different d
  join event_targets e on e.id = d.target_id
  left join answer a using (target_id, org_id, cluster, component, error_key)
  order by e.id, d.org_id, d.cluster, d.component, d.error_key;
end $$;

comment on function compare_notifications(timestamptz, timestamptz) is
  'The issues that only one of the two services notified within a period, and why: for a time in which ours '
  'runs in shadow beside the other one.';
