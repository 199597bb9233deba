-- One stored report: what became of each of its hits. A report that a newer one overtook before it was
-- decided on was never decided on (superseded); the newer one was. There is nothing to record of one without
-- hits, or for a target that is switched off: then the decision shown is that of now.
--
-- Planned anew each time, with the cluster at hand: as `language sql`, with the cluster taken from the
-- report, the planner could not tell that only one is asked for, and read all issues for each hit (870 ms
-- among 65,000 clusters, now 15).
create or replace function explain_report(
  org_id bigint, cluster text, updated_at timestamptz, at timestamptz default now()
)
returns table (
  report_state text, target text, component text, error_key text, decided_at timestamptz, decision text,
    reasons text[],
  issue_state text, last_notified_at timestamptz, next_eligible_at timestamptz, policy_id bigint,
    content_id bigint,
  silence_id bigint, acknowledgement_id bigint, postponed_until timestamptz
)
language plpgsql stable
set search_path = public, ccx, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
  if num_nulls(explain_report.org_id, explain_report.cluster, explain_report.updated_at,
    explain_report.at) > 0
  then
    raise exception 'a report is named by its organization, cluster and time' using errcode = 'NTE02';
  end if;
  return query
  with report as materialized (
    select r.org_id, r.cluster, r.updated_at, r.received_at, l.updated_at as latest_at,
      readable_report(r.report) as report
    from new_reports r
    left join latest_report l on l.org_id = r.org_id and l.cluster = r.cluster
    where r.org_id = explain_report.org_id
      and r.cluster in (explain_report.cluster, lower(explain_report.cluster))
      and r.updated_at = explain_report.updated_at
  ), decided as materialized (
    select r.*, t.id as target_id, t.name as target,
      -- from its arrival on: a decision before that was about what the same upload had said the first time
      least(
        (select min(done.notified_at) from reported done
         where done.org_id = r.org_id and done.cluster = r.cluster and done.event_type_id = t.id
           and done.updated_at = r.updated_at and done.notified_at >= r.received_at),
        (select min(n.decided_at) from notification n
         where n.org_id = r.org_id and n.cluster = r.cluster and n.target_id = t.id and n.replay_of is null
           and n.updated_at = r.updated_at and n.decided_at >= r.received_at)) as decided_at
    from report r
    cross join event_targets t
  ), asked as (
    select d.*, due.cluster is not null as is_waiting,
      case when due.backlog_of is not null then due.due_at end as postponed_until
    from decided d
    left join decision_due due on due.org_id = d.org_id and due.cluster = d.cluster and due.by_report
  ), judged as (
    select d.*,
      case
        when d.report is null then 'unreadable'
        when d.decided_at is not null then 'decided'
        when d.updated_at < d.latest_at then 'superseded'
        when d.postponed_until > explain_report.at then 'postponed'
        when d.is_waiting then 'waiting'
        else 'nothing to record'
      end as report_state
    from asked d
  ), answer as materialized (
    -- asked once for each target, not for each hit
    select d.*
    from judged j
    cross join lateral decide(
      j.target_id, coalesce(j.decided_at, explain_report.at),
        array[explain_report.cluster, lower(explain_report.cluster)]) d
    where j.report_state in ('decided', 'postponed', 'waiting', 'nothing to record')
  )
  select j.report_state, j.target, h.component, h.error_key, j.decided_at, d.decision, d.reasons,
    d.issue_state,
    d.last_notified_at, d.next_eligible_at, d.policy_id, d.content_id, d.silence_id, d.acknowledgement_id,
    case when j.report_state = 'postponed' then j.postponed_until end
  from judged j
  left join lateral report_hits(j.report) h on true
  left join renamed_rule renamed on renamed.component = h.component and renamed.ended_at is null
  left join answer d
    on d.target_id = j.target_id and d.cluster = j.cluster and d.org_id = j.org_id
    and d.component = coalesce(renamed.new_component, h.component) and d.error_key = h.error_key
  order by j.target_id, h.component, h.error_key;
end $$;

comment on function explain_report(bigint, text, timestamptz, timestamptz) is
  'What became of one stored report, for each target and hit: report_state (decided, waiting, postponed '
  'until more is known, superseded by a newer report, unreadable, nothing to record) and the decision of '
  'then, or as of now.';
