-- What the views show of now, for any time: reports and deliveries as they were known then.
create or replace function explain_at(
  at timestamptz, target text default null, cluster text default null, settings_at timestamptz default null
) returns setof explanation
language sql stable parallel safe
begin atomic
  select
    t.name,
    d.org_id,
    d.cluster,
    d.component,
    d.error_key,
    d.decision,
    d.reasons,
    d.total_risk,
    d.last_notified_at,
    d.next_eligible_at,
    d.occurrence,
    d.issue_state,
    d.first_seen,
    d.last_seen,
    d.issue_id,
    d.policy_id,
    d.content_id,
    d.silence_id,
    d.acknowledgement_id,
    d.render_error
  from decide(
    case when explain_at.target is not null then target_id(explain_at.target) end, at,
    case when explain_at.cluster is not null then array[explain_at.cluster, lower(explain_at.cluster)] end, settings_at) d
  -- there always is one; a plain join would have the planner expect few rows
  left join event_targets t on t.id = d.target_id;
end;

comment on function explain_at(timestamptz, text, text, timestamptz) is
  'explain_notification as it was at this time, for one target and one cluster or (null) for all; what people set counts as it stood at settings_at (null: at the same time).';
