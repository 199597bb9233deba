-- The only place that says notify or hold. The live path, the views, the past and every simulation call it.
--
-- Reports and ledger count as they were known at `at`: the ledger strictly before it, so that decide(…, at)
-- answers as the decision taken at that time did. What people set (policies, content, silences,
-- acknowledgements) counts as it stood at settings_at, which is `at` unless somebody compares (explain_diff).
--
-- One `language sql` query without a SET clause, so that the planner takes it apart: `where cluster = …` on a
-- view above it reaches the index of issue, and a fleet gets hash joins by several workers. (With `set
-- search_path` it would be a black box that computes every cluster first; `begin atomic` binds names when it
-- is created, which is as safe.) Workers take no part in what is looked up row by row by subqueries or
-- `limit`: so what everybody has is joined, and what few have is behind `case`, in functions of their own.
create or replace function decide(
  target integer, at timestamptz, clusters text[] default null, settings_at timestamptz default null
) returns setof decision
language sql stable parallel safe
begin atomic
  select
    x.target_id,
    x.org_id,
    x.cluster,
    x.issue_id,
    x.component,
    x.error_key,
    x.occurrence,
    h.issue_state,
    x.first_seen,
    x.reported_at,
    x.total_risk,
    case when cardinality(h.reasons) = 0 then 'notify' else 'hold' end,
    h.reasons,
    h.qualifies,
    x.last_notified_at,
    h.next_eligible_at,
    (x.policy).id,
    x.content_id,
    x.silence_id,
    coalesce(x.acked_by, x.disabled_by),
    x.render_error
  from (
    select v.*, o.occurrence, o.known_from,
      v.rule_name = any (storms.rules) or v.target_id = any (storms.targets) as storm_is_near,
      coalesce(o.known_until > at, true) as is_open,
      -- the cluster's newest report that had arrived by then and could be read
      case when l.received_at <= at then l.updated_at else newest_report_at(v.org_id, v.cluster, at) end
        as reported_at,
      case when notified.voided @> at
        then last_notified_at(v.issue_id, v.target_id, at) else notified.notified_at end as last_notified_at,
      case when (v.policy).spacing > interval '0'
        then last_message_at(v.org_id, v.cluster, v.target_id, at) end as message_at,
      case when o.occurrence >= (v.policy).flapping_occurrences
        then flapping_until(v.issue_id, o.occurrence, (v.policy).flapping_occurrences,
          (v.policy).flapping_window) end as flapping_until,
      upper(unrendered.held_period) as unrendered_until,
      unrendered.error as render_error,
      case when v.cluster = any (silenced.clusters) or v.org_id = any (silenced.organizations)
          or v.rule_name = any (silenced.rules) or silenced.others
        then matching_silence(v.org_id, v.cluster, v.rule_name, v.error_key, v.tags,
          coalesce(settings_at, at)) end as silence_id,
      case when org_acked.rule_name is not null
        then first_acknowledgement(v.org_id, null, v.rule_name, v.error_key,
          coalesce(settings_at, at)) end as acked_by,
      case when cluster_acked.rule_name is not null
        then first_acknowledgement(v.org_id, v.cluster, v.rule_name, v.error_key,
          coalesce(settings_at, at)) end as disabled_by
    from verdict(target, coalesce(settings_at, at), clusters) v
    join occurrence o on o.issue_id = v.issue_id
    left join latest_report l
      on l.org_id = v.org_id and l.cluster = v.cluster
        and (decide.clusters is null or l.cluster = any (decide.clusters))
    -- the last notification before `at`
    left join notified_issue notified
      on notified.issue_id = v.issue_id and notified.target_id = v.target_id and not notified.resolved
      and notified.notified_at < at and notified.superseded_at >= at
    left join render_failure unrendered
      on unrendered.issue_id = v.issue_id and unrendered.target_id = v.target_id
      and unrendered.content_id = v.content_id and unrendered.occurrence = o.occurrence
        and unrendered.held_period @> at
    left join acknowledged_rule org_acked on org_acked.rule_name = v.rule_name and org_acked.org_id = v.org_id
    left join acknowledged_rule cluster_acked on cluster_acked.rule_name = v.rule_name
      and cluster_acked.cluster = v.cluster
    cross join silence_scopes(tstzrange(coalesce(settings_at, at), coalesce(settings_at, at), '[]')) silenced
    cross join storm_scopes(coalesce(settings_at, at)) storms
    where o.known_from <= at
      -- open then, or gone since the policy notifies of what is gone
      and coalesce(o.known_until > least(at, (v.policy).notify_resolved_since), true)
  ) x
  cross join lateral hold_reasons(
    at, x.reasons, x.policy, x.cluster, x.occurrence, x.is_open, x.last_notified_at, x.message_at,
      x.flapping_until, x.unrendered_until, x.silence_id, x.acked_by,
    x.disabled_by, x.reported_at,
    case when x.storm_is_near then held_by_storm(x.target_id, x.rule_name, x.known_from, x.last_notified_at,
      (x.policy).cooldown, coalesce(settings_at, at)) end) h
  where x.is_open
    or x.last_notified_at is not null
      and resolution_is_due(x.issue_id, x.occurrence, x.target_id, x.last_notified_at, at);
end;

comment on function decide(integer, timestamptz, text[], timestamptz) is
  'Notify or hold, with every reason, for this target (null: each of them) at this time, past or present: '
  'one row for each open issue (clusters: only these), and for each that went and is to be notified as '
  'resolved. Reads only; same inputs, same answer.';
