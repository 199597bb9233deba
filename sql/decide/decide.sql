-- The only place that says notify or hold. The live path, the views, the past and every simulation call it.
--
-- Reports and ledger count as they were known at `at`: the ledger strictly before it, so that decide(…, at) answers as the
-- decision taken at that time did. What people set (policies, content, silences, acknowledgements) counts as it stood at
-- settings_at, which is `at` unless somebody compares (explain_diff).
--
-- One `language sql` query without a SET clause, so that the planner takes it apart: `where cluster = …` on a view
-- above it reaches the index of issue, and a fleet gets hash joins. (With `set search_path` it would be a black box
-- that computes every cluster first; `begin atomic` binds names when it is created, which is as safe.)
create or replace function decide(
  target integer, at timestamptz, clusters text[] default null, settings_at timestamptz default null
) returns setof decision
language sql stable parallel safe
begin atomic
  select
    target,
    v.org_id,
    v.cluster,
    v.issue_id,
    v.component,
    v.error_key,
    o.occurrence,
    h.issue_state,
    v.first_seen,
    -- the cluster's newest report that had arrived by then and could be read
    case when l.received_at <= at then l.updated_at
      else (select known.updated_at from new_reports known
        where known.org_id = v.org_id and known.cluster = v.cluster and known.received_at <= at
          and not exists (
            select from read_errors e
            where e.org_id = known.org_id and e.cluster = known.cluster and e.updated_at = known.updated_at)
        order by known.updated_at desc
        limit 1) end,
    v.total_risk,
    case when cardinality(h.reasons) = 0 then 'notify' else 'hold' end,
    h.reasons,
    h.qualifies,
    told.told_at,
    h.next_eligible_at,
    v.policy_id,
    v.content_id,
    h.silence_id,
    h.acknowledgement_id,
    h.render_error
  from verdict(target, coalesce(settings_at, at), clusters) v
  join occurrence o on o.issue_id = v.issue_id
  left join latest_report l on l.org_id = v.org_id and l.cluster = v.cluster
  left join lateral last_told_at(v.issue_id, target, at) told on true
  -- only where it matters: of no cluster at all it is quickly found
  left join lateral last_message_at(v.org_id, case when v.spacing > interval '0' then v.cluster end, target, at) spaced on true
  cross join lateral hold_reasons(
    target, at, coalesce(settings_at, at), v.content_id, v.issue_id, v.org_id, v.cluster, v.rule_name, v.error_key, v.tags,
    v.reasons, v.cooldown, v.spacing, v.allowed_clusters, v.blocked_clusters,
    v.flapping_occurrences, v.flapping_window, v.flapping_action,
    o.occurrence, coalesce(o.known_until > at, true), told.told_at, spaced.message_at) h
  where o.known_from <= at
    -- open then, or gone since the policy tells what is gone
    and coalesce(o.known_until > least(at, v.tell_resolved_since), true)
    and (coalesce(o.known_until > at, true)
      -- gone, told before, and not yet told as gone (by v.issue_id: of a condition on o alone the planner makes a filter, and
      -- looks for a later occurrence of all that ever went)
      or (told.told_at is not null
          and not exists (
            select from occurrence later
            where later.issue_id = v.issue_id and later.occurrence > o.occurrence and later.known_from <= at)
          and not exists (
            select from notified_issue n
            where n.issue_id = v.issue_id and n.target_id = target and n.resolved
              and n.told_at > told.told_at and n.told_at < at and not n.voided @> at)));
end;

comment on function decide(integer, timestamptz, text[], timestamptz) is
  'Notify or hold, with every reason, for this target at this time, past or present: one row for each open issue (clusters: only these), and for each that went and is to be told as resolved. Reads only; same inputs, same answer.';
