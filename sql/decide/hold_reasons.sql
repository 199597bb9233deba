-- The part of a decision that depends on the cluster and on what happened before. decide() gives what the ledger says,
-- backtest() what it would say; the conditions are here, once.
--
-- `offset 0` keeps the planner from writing an expression out again wherever its value is used.
create or replace function hold_reasons(
  target integer, at timestamptz, settings_at timestamptz, content_id bigint,
  issue_id bigint, org_id bigint, cluster text, rule_name text, error_key text, tags text[],
  policy_reasons text[], cooldown interval, spacing interval, allowed_clusters text[], blocked_clusters text[],
  flapping_occurrences smallint, flapping_window interval, flapping_action text,
  occurrence integer, is_open boolean, told_at timestamptz, message_at timestamptz
) returns table (
  reasons text[], qualifies boolean, issue_state text, next_eligible_at timestamptz, silence_id bigint,
  acknowledgement_id bigint, render_error text
)
language sql stable parallel safe
begin atomic
  select
    policy_reasons || held.reasons,
    cardinality(policy_reasons) = 0 and not held.by_cluster_list,
    case
      when not is_open then 'resolved'
      when wait.flapping_until > at then 'flapping'
      when occurrence > 1 then 'regressed'
      else 'new'
    end,
    greatest(wait.cooldown_until, wait.spacing_until, wait.damped_until, wait.unrendered_until),
    wait.silence_id,
    coalesce(wait.acked_by, wait.disabled_by),
    case when wait.unrendered_until is not null then (
      select f.error
      from render_failure f
      where f.issue_id = hold_reasons.issue_id and f.target_id = hold_reasons.target
        and f.content_id = hold_reasons.content_id and f.occurrence = hold_reasons.occurrence
        and f.failed_at = wait.unrendered_until - interval '24 hours') end
  from (
    select
      case when is_open then cooldown_end(told_at, cooldown) end as cooldown_until,
      case when spacing > interval '0' then cooldown_end(message_at, spacing) end as spacing_until,
      flapping.ends_at as flapping_until,
      case when flapping_action = 'damp' then flapping.ends_at end as damped_until,
      (
        -- tried again after a day: the details of the hit may have changed, or the machine was too busy
        select max(f.failed_at) + interval '24 hours'
        from render_failure f
        where f.issue_id = hold_reasons.issue_id and f.target_id = hold_reasons.target
          and f.content_id = hold_reasons.content_id and f.occurrence = hold_reasons.occurrence
          and f.failed_at <= hold_reasons.at and f.failed_at > hold_reasons.at - interval '24 hours'
      ) as unrendered_until,
      (
        select min(s.id)
        from silence s
        where s.in_force @> settings_at
          and silence_matches(s, hold_reasons.org_id, hold_reasons.cluster, hold_reasons.rule_name,
            hold_reasons.error_key, hold_reasons.tags)
      ) as silence_id,
      (
        select min(a.id)
        from acknowledgement a
        where a.rule_name = hold_reasons.rule_name and a.org_id = hold_reasons.org_id and a.cluster is null
          and a.period @> settings_at
          and (a.error_key is null or a.error_key = hold_reasons.error_key)
      ) as acked_by,
      (
        select min(a.id)
        from acknowledgement a
        where a.rule_name = hold_reasons.rule_name and a.cluster = hold_reasons.cluster
          and a.period @> settings_at
          and (a.org_id is null or a.org_id = hold_reasons.org_id)
          and (a.error_key is null or a.error_key = hold_reasons.error_key)
      ) as disabled_by
    from (
      select case when occurrence >= hold_reasons.flapping_occurrences
        then flapping_until(hold_reasons.issue_id, occurrence, hold_reasons.flapping_occurrences, flapping_window) end as ends_at
      offset 0
    ) flapping
    offset 0
  ) wait
  cross join lateral (
    select
      array_remove(array[
        case when wait.unrendered_until is not null then 'render_failed' end,
        case when cluster <> all (allowed_clusters) then 'cluster_not_allowed' end,
        case when cluster = any (blocked_clusters) then 'cluster_blocked' end,
        case when wait.silence_id is not null then 'silenced' end,
        case when wait.acked_by is not null then 'acked' end,
        case when wait.disabled_by is not null then 'disabled' end,
        case when wait.cooldown_until > at then 'cooldown' end,
        case when wait.spacing_until > at then 'spacing' end,
        case when wait.damped_until > at then 'flapping' end
      ], null) as reasons,
      coalesce(cluster <> all (allowed_clusters) or cluster = any (blocked_clusters), false)
        as by_cluster_list
    offset 0
  ) held;
end;

comment on function hold_reasons(integer, timestamptz, timestamptz, bigint, bigint, bigint, text, text, text, text[], text[], interval, interval, text[], text[], smallint, interval, text, integer, boolean, timestamptz, timestamptz) is
  'Every reason that holds an issue of a cluster, none for notify, given what its policy says, when it was last told and when its cluster last got a message. Silences and acknowledgements count as they stand at settings_at.';
