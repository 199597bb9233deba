-- What the views show of now, for any time: reports and deliveries as they were known then.
create or replace function explain_at(
  at timestamptz, target text default null, cluster text default null, settings_at timestamptz default null,
  org_id bigint default null, rule text default null
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
    case when explain_at.target is not null then target_id(explain_at.target) end, explain_at.at,
    case when explain_at.cluster is not null then array[explain_at.cluster, lower(explain_at.cluster)] end,
      settings_at) d
  -- there always is one; a plain join would have the planner expect few rows
  left join event_targets t on t.id = d.target_id
  -- asked once: as an argument of decide() it would be asked wherever the decision looks at the time
  where (select given(explain_at.at)) is not null
    and (explain_at.org_id is null or d.org_id = explain_at.org_id)
    and (explain_at.rule is null or rule_name(d.component) = rule_name(explain_at.rule));
end;

comment on function explain_at(timestamptz, text, text, timestamptz, bigint, text) is
  'explain_notification as it was at this time, for one target, cluster, organization and rule (any '
  'spelling) or (null) for all; what people set counts as it stood at settings_at (null: at the same time).';
