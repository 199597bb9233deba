-- What would have been notified between two times, replayed one decision after another for every cluster:
-- each step goes to the next moment at which an issue of the cluster may be notified, and asks verdict() and
-- hold_reasons(), as decide() does, with the replayed ledger in place of the real one.
--
-- A cluster's moments are those at which it really was decided on (reported, notification); where a wait
-- ends, the sweep asks two minutes later at the latest, if the cluster reported within a day; where an issue
-- appeared and nothing was decided within an hour (no target was switched on), the moment it appeared.
-- What waits for a later time is carried from step to step and neither looked up nor asked until then.
-- Deliveries are taken to succeed. Issues that went are not replayed as resolved.
create or replace function ccx.backtest_steps(
  target integer, from_time timestamptz, to_time timestamptz, change jsonb default null,
  only_org bigint default null, first_org bigint default null, last_org bigint default null
) returns table (org_id bigint, cluster text, issue_id bigint, notified_at timestamptz, policy_id bigint,
  max_events integer)
language plpgsql stable
set search_path = public, ccx, pg_temp
-- whole tables are joined here, with times that differ from row to row: the planner expects a row of each and
-- would compare all with all (minutes instead of seconds)
set enable_nestloop = off
-- and for some organizations their rows are looked up, where a plan for any would read whole tables
set plan_cache_mode = force_custom_plan
set work_mem = '64MB'
set jit = off
as $$
#variable_conflict use_column
declare
  asked bigint[]; -- the issues of these organizations; null: all
begin
  if num_nonnulls(only_org, first_org, last_org) > 0 then
    asked := array(
      select i.id
      from issue i
      where (only_org is null or i.org_id = only_org)
        and (first_org is null or i.org_id >= first_org) and (last_org is null or i.org_id <= last_org));
  end if;
  return query
  with recursive era as materialized (
    -- times from which neither policies nor content changed until the next
    select e.starts_at
    from (
      select from_time as starts_at
      union
      select lower(p.validity) from policy p where p.target_id = backtest_steps.target
      union
      select upper(p.validity) from policy p where p.target_id = backtest_steps.target
      union
      select lower(c.validity) from rule_content c
      union
      select upper(c.validity) from rule_content c
    ) e
    where e.starts_at >= from_time and e.starts_at < to_time
  ), verdicts as materialized (
    -- for each issue, one row for as long as it is judged the same
    select v.*, lead(v.starts_at, 1,
      'infinity') over (partition by v.issue_id order by v.starts_at) as ends_at
    from (
      select e.starts_at, v.*,
        row((v.policy).id, v.content_id, v.reasons) is distinct from
          lag(row((v.policy).id, v.content_id,
            v.reasons)) over (partition by v.issue_id order by e.starts_at) as differs
      from era e
      cross join lateral (
        select * from verdict(backtest_steps.target, e.starts_at) r
        where change is null and (only_org is null or r.org_id = only_org)
        union all
        select * from changed_verdict(backtest_steps.target, e.starts_at, change, only_org)
        where change is not null
      ) v
      where (first_org is null or v.org_id >= first_org) and (last_org is null or v.org_id <= last_org)
    ) v
    where v.differs
  ), run as (
    select i.id as issue_id, i.org_id, i.cluster, from_time - interval '1 microsecond' as at,
      case when notified.voided @> from_time
        then last_notified_at(i.id, backtest_steps.target,
        from_time) else notified.notified_at end as notified_at,
      case when spaced.is_needed
        then last_message_at(i.org_id, i.cluster, backtest_steps.target, from_time) end as message_at,
      from_time as may_be_notified_at, null::timestamptz as next_at, null::boolean as appears,
      null::timestamptz as real_at, null::timestamptz as asked_at,
      false as is_notified, null::bigint as policy_id, null::integer as max_events
    from issue i
    cross join (select bool_or((v.policy).spacing > interval '0') as is_needed from verdicts v) spaced
    left join notified_issue notified
      on notified.issue_id = i.id and notified.target_id = backtest_steps.target and not notified.resolved
      and notified.notified_at < from_time and notified.superseded_at >= from_time
      and (asked is null or notified.issue_id = any (asked))
    where (only_org is null or i.org_id = only_org)
      and (first_org is null or i.org_id >= first_org) and (last_org is null or i.org_id <= last_org)
      and exists (
      select from occurrence o
      where o.issue_id = i.id and o.known_from < to_time and coalesce(o.known_until > from_time, true)
        and (asked is null or o.issue_id = any (asked)))
    union all
    select s.issue_id, s.org_id, s.cluster, s.moment,
      case when s.is_notified then s.moment else s.notified_at end,
      case when bool_or(s.is_notified) over of_cluster then s.moment else s.message_at end,
      s.may_be_notified_at, s.next_at, s.appears, s.real_at, s.asked_at,
      s.is_notified, s.policy_id, s.max_events
    from (
      with step as materialized (
        select m.*,
          bool_or(m.real_at = m.moment or m.appears and m.asked_at = m.moment)
            over (partition by m.org_id, m.cluster) as is_decided
        from (
          select r.issue_id, r.org_id, r.cluster, r.at, r.notified_at, r.message_at, r.may_be_notified_at,
            known.next_at, known.appears, known.real_at, known.asked_at,
            min(known.asked_at) over (partition by r.org_id, r.cluster) as moment
          from run r
          left join lateral (
            -- when it is asked next, and what for: it appears; a wait ends; or (else) whenever a decision is
            -- taken
            select greatest(o.known_from, r.may_be_notified_at, r.at + interval '1 microsecond') as at,
              o.known_from > r.at and o.known_from >= r.may_be_notified_at as appears
            from occurrence o
            where r.next_at is null
              and o.issue_id = r.issue_id
              and o.known_from < to_time
              and r.may_be_notified_at < to_time
              and coalesce(o.known_until > greatest(r.may_be_notified_at, r.at + interval '1 microsecond'),
                true)
            order by o.known_from
            limit 1
          ) next on true
          left join lateral (
            select case when next.at is not null then least(
              -- nearly always within a day, which is a partition or two
              coalesce(
                (select done.notified_at
                 from reported done
                 where done.org_id = r.org_id and done.cluster = r.cluster and done.notified_at >= next.at
                   and done.notified_at < next.at + interval '1 day'
                 order by done.notified_at
                 limit 1),
                (select done.notified_at
                 from reported done
                 where done.org_id = r.org_id and done.cluster = r.cluster
                   and done.notified_at >= next.at + interval '1 day'
                   and done.notified_at <= to_time + interval '1 hour'
                 order by done.notified_at
                 limit 1)),
              (select sent.decided_at
               from notification sent
               where sent.org_id = r.org_id and sent.cluster = r.cluster and sent.decided_at >= next.at
                 and sent.replay_of is null
               order by sent.decided_at
               limit 1)) end as at
            offset 0
          ) real on true
          left join lateral (
            select case
              when next.appears then case when real.at <= next.at + interval '1 hour'
                then real.at else next.at end
              -- the cluster had reported within a day (scalar queries, which stay look-ups by index)
              when next.at = r.may_be_notified_at and (
                  select true from new_reports n
                  where n.org_id = r.org_id and n.cluster = r.cluster and n.received_at <= next.at
                    and within_reevaluation_window(n.updated_at, next.at)
                      and n.updated_at < next.at + interval '1 hour'
                    and (
                      select true from read_errors e
                      where e.org_id = n.org_id and e.cluster = n.cluster and e.updated_at = n.updated_at
                      limit 1) is null
                  limit 1)
                then least(real.at, next.at + interval '2 minutes')
              else real.at
            end as at
            offset 0
          ) asked on true
          cross join lateral (
            select coalesce(r.next_at, next.at) as next_at, coalesce(r.appears, next.appears) as appears,
              coalesce(r.real_at, real.at) as real_at, coalesce(r.asked_at, asked.at) as asked_at
          ) known
        ) m
        where m.moment < to_time
      )
      -- what waits for a later time is not asked
      select r.issue_id, r.org_id, r.cluster, r.notified_at, r.message_at, r.moment,
        null::bigint as policy_id, null::integer as max_events, false as is_notified, r.may_be_notified_at,
        r.next_at, r.appears, r.real_at, r.asked_at
      from step r
      where r.next_at > r.moment
      union all
      select r.issue_id, r.org_id, r.cluster, r.notified_at, r.message_at, r.moment,
        (v.policy).id, (v.policy).max_events, answer.is_notified,
        case
          when o.issue_id is null then r.may_be_notified_at
          when answer.is_notified then least(v.ends_at, add_in_utc(r.moment, (v.policy).cooldown))
          when not h.qualifies then v.ends_at
          -- asked with every decision: what holds it does not say until when
          when answer.is_free or h.reasons && '{stale_report,storm}' then r.moment
          else least(v.ends_at, greatest(
            h.next_eligible_at,
            case when held.silence_id is not null
              then (select upper(x.in_force) from silence x where x.id = held.silence_id) end,
            case when coalesce(held.acked_by, held.disabled_by) is not null
              then (select coalesce(upper(x.period), 'infinity') from acknowledgement x
                where x.id = coalesce(held.acked_by, held.disabled_by)) end))
        end as may_be_notified_at,
        null, null, null, null
      from step r
      join verdicts v on v.issue_id = r.issue_id and v.starts_at <= r.moment and v.ends_at > r.moment
      left join occurrence o
        on o.issue_id = r.issue_id and o.known_from <= r.moment and coalesce(o.known_until > r.moment, true)
        and (asked is null or o.issue_id = any (asked))
      left join render_failure unrendered
        on unrendered.issue_id = r.issue_id and unrendered.target_id = backtest_steps.target
        and unrendered.content_id = v.content_id and unrendered.occurrence = o.occurrence
        and lower(unrendered.held_period) <= r.moment and upper(unrendered.held_period) > r.moment
      left join acknowledged_rule org_acked on org_acked.rule_name = v.rule_name
        and org_acked.org_id = r.org_id
      left join acknowledged_rule cluster_acked on cluster_acked.rule_name = v.rule_name
        and cluster_acked.cluster = r.cluster
      cross join silence_scopes(tstzrange(from_time, to_time)) silenced
      cross join (select exists (select from storm) as are_known offset 0) storms
      cross join lateral (
        select
          case when r.cluster = any (silenced.clusters) or r.org_id = any (silenced.organizations)
              or v.rule_name = any (silenced.rules) or silenced.others
            then matching_silence(r.org_id, r.cluster, v.rule_name, v.error_key, v.tags,
              r.moment) end as silence_id,
          case when org_acked.rule_name is not null
            then first_acknowledgement(r.org_id, null, v.rule_name, v.error_key, r.moment) end as acked_by,
          case when cluster_acked.rule_name is not null
            then first_acknowledgement(r.org_id, r.cluster, v.rule_name, v.error_key,
              r.moment) end as disabled_by,
          case when o.occurrence >= (v.policy).flapping_occurrences
            then flapping_until(r.issue_id, o.occurrence, (v.policy).flapping_occurrences,
              (v.policy).flapping_window) end as flapping_until
        offset 0
      ) held
      cross join lateral (
        select answer.*
        from hold_reasons(
          r.moment, v.reasons, v.policy, r.cluster, o.occurrence, true, r.notified_at, r.message_at,
            held.flapping_until, upper(unrendered.held_period),
          held.silence_id, held.acked_by, held.disabled_by,
          -- an issue that appeared within that time has a report that is not older
          case when add_in_utc(o.opened_at, (v.policy).max_report_age) < r.moment
            then newest_report_at(r.org_id, r.cluster, r.moment) end,
          case when storms.are_known then held_by_storm(backtest_steps.target, v.rule_name, o.known_from,
            r.notified_at, (v.policy).cooldown, r.moment) end) answer
        offset 0
      ) h
      cross join lateral (
        select f.is_free,
          -- without a cooldown it is notified with every decision, but time alone does not bring one
          f.is_free and (r.is_decided
            or coalesce(add_in_utc(r.notified_at, (v.policy).cooldown) > r.notified_at, true)) as is_notified
        from (select o.issue_id is not null and cardinality(h.reasons) = 0 as is_free offset 0) f
        offset 0
      ) answer
      where r.next_at <= r.moment
    ) s
    window of_cluster as (partition by s.org_id, s.cluster)
  )
  select r.org_id, r.cluster, r.issue_id, r.at, r.policy_id, r.max_events
  from run r
  where r.is_notified;
end $$;

comment on function ccx.backtest_steps(
  integer, timestamptz, timestamptz, jsonb, bigint, bigint, bigint) is
  'Each time an issue would have been notified through this target, by the policies of then, with change (as '
  'for set_policy) in the target-wide policy or that of only_org; of organizations from first_org to '
  'last_org alone (null: no bound).';
