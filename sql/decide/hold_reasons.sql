-- What a decision says once everything is looked up. decide() gives what the ledger says, backtest() what it
-- would say; the conditions are here, once. Expressions only, so that it is inlined.
create or replace function ccx.hold_reasons(
  at timestamptz, policy_reasons text[], policy policy, cluster text, occurrence integer, is_open boolean,
    notified_at timestamptz, message_at timestamptz,
  flapping_until timestamptz, unrendered_until timestamptz, silence_id bigint, acked_by bigint,
    disabled_by bigint, reported_at timestamptz, in_storm boolean
) returns table (reasons text[], qualifies boolean, issue_state text, next_eligible_at timestamptz)
language sql immutable parallel safe
begin atomic
  select
    policy_reasons || array_remove(array[
      case when unrendered_until > at then 'render_failed' end,
      case when cluster <> all (policy.allowed_clusters) then 'cluster_not_allowed' end,
      case when cluster = any (policy.blocked_clusters) then 'cluster_blocked' end,
      case when silence_id is not null then 'silenced' end,
      case when acked_by is not null then 'acked' end,
      case when disabled_by is not null then 'disabled' end,
      case when is_open and add_in_utc(notified_at, policy.cooldown) > at then 'cooldown' end,
      case when policy.spacing > interval '0' and add_in_utc(message_at, policy.spacing) > at
        then 'spacing' end,
      case when policy.flapping_action = 'damp' and flapping_until > at then 'flapping' end,
      case when add_in_utc(reported_at, policy.max_report_age) < at then 'stale_report' end,
      case when in_storm then 'storm' end
    ], null),
    cardinality(policy_reasons) = 0
      and not coalesce(cluster <> all (policy.allowed_clusters) or cluster = any (policy.blocked_clusters),
        false),
    case
      when not is_open then 'resolved'
      when flapping_until > at then 'flapping'
      when occurrence > 1 then 'regressed'
      else 'new'
    end,
    greatest(
      case when is_open then add_in_utc(notified_at, policy.cooldown) end,
      case when policy.spacing > interval '0' then add_in_utc(message_at, policy.spacing) end,
      case when policy.flapping_action = 'damp' then flapping_until end,
      unrendered_until);
end;

comment on function ccx.hold_reasons(timestamptz, text[], policy, text, integer, boolean, timestamptz,
  timestamptz, timestamptz, timestamptz, bigint, bigint, bigint, timestamptz, boolean) is
  'Every reason that holds an issue of a cluster, none for notify, given what its policy says, when it was '
  'last notified, when its cluster last got a message, what else holds it until when, when it reported, and '
  'whether a storm holds it.';
