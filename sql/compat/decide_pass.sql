-- Decides for the next clusters of new_reports, in the order of their names, for one target: what
-- decide_due() does for those that wait, without the queue (other targets have their own passes) and without
-- the brake. A cluster that somebody writes to in this moment is left for the next pass, and so is one whose
-- policy leaves it out altogether. The share locks keep reports out until the end: a decision at this time
-- has seen them.
--
-- `reported` gets a row for each cluster with issues, `same` where nobody is notified: the incumbent never
-- writes `lower`, and its readers expect none.
create or replace function ccx.decide_pass(target text, after text, batch_size integer default 1000)
  returns table (last_cluster text, clusters jsonb)
language plpgsql volatile
set search_path = public, ccx, pg_temp
set random_page_cost = 1.1
set join_collapse_limit = 1
set max_parallel_workers_per_gather = 0
as $$
#variable_conflict use_column
declare
  for_target constant integer := target_id(decide_pass.target);
  at timestamptz;
  orgs bigint[];
  names text[];
  issues_to_notify issue_to_notify[];
  notified_before last_notification[];
begin
  -- an adoption under way has not taken over all that was notified
  if exists (select from side_by_side s where s.mode in ('adopting', 'leaving')) then
    return;
  end if;
  perform ensure_partition('reported', (clock_timestamp() at time zone 'UTC')::date);
  select array_agg(s.org_id), array_agg(s.cluster) into orgs, names
  from (
    select l.org_id, l.cluster
    from latest_report l
    join policy p on p.target_id = for_target and p.org_id is null and p.rule_name is null
      and p.validity @> now()
    where l.cluster > decide_pass.after collate "C" and l.left_at is null
      and not coalesce(l.cluster <> all (p.allowed_clusters), false) and l.cluster <> all (p.blocked_clusters)
      and exists (
        select from new_reports r
        where r.org_id = l.org_id and r.cluster = l.cluster and r.updated_at = l.updated_at)
    order by l.cluster
    limit batch_size
    for share of l skip locked
  ) s;
  if names is null then
    return;
  end if;
  at := clock_timestamp();

  -- `execute`, so that it is planned for these clusters (decide_due())
  execute $query$
    with answer as materialized (
      select d.*, d.decision = 'notify' as is_notified
      from decide($1, $2, $4) d
      join unnest($3, $4) as own (org_id, cluster) on own.org_id = d.org_id and own.cluster = d.cluster
    ), recorded as (
      insert into reported
        (org_id, account_number, cluster, notification_type, state, report, updated_at, notified_at,
          error_log, event_type_id)
      select a.org_id, l.account_number, a.cluster, 1, 2, '', l.updated_at, $2, '', $1
      from (
        select a.org_id, a.cluster from answer a group by a.org_id, a.cluster
        having not bool_or(a.is_notified)
      ) a
      join latest_report l on l.org_id = a.org_id and l.cluster = a.cluster
      on conflict do nothing
    )
    select
      coalesce(array_agg((a.target_id, a.org_id, a.cluster, a.issue_id, a.occurrence, a.content_id,
        a.policy_id, a.last_seen, a.total_risk,
        a.issue_state = 'resolved', a.component)::issue_to_notify) filter (where a.is_notified), '{}'),
      array_agg((a.issue_id, a.target_id, a.policy_id, a.last_notified_at)::last_notification)
        filter (where a.is_notified and a.last_notified_at is not null),
      (
        select jsonb_agg(jsonb_build_object('org_id', c.org_id, 'cluster', c.cluster, 'issues', c.issues)
          order by c.cluster)
        from (
          select b.org_id, b.cluster,
            coalesce(jsonb_agg(jsonb_build_object('component', b.component, 'error_key', b.error_key,
              'total_risk', b.total_risk) order by b.issue_id) filter (where b.is_notified), '[]') as issues
          from answer b
          group by b.org_id, b.cluster
        ) c
      )
    from answer a
  $query$
  into issues_to_notify, notified_before, clusters
  using for_target, at, orgs, names;

  if notified_before is not null then
    perform renew_cooldowns(array_agg(b.issue_id), array_agg(b.target_id), array_agg(b.notified_at),
      array_agg(p.cooldown))
    from unnest(notified_before) b
    join policy p on p.id = b.policy_id;
  end if;
  perform queue_notifications(issues_to_notify, at);
  -- they wait for nobody else: no other target is on, or no worker has been there for a day
  if not exists (select from worker) or not exists (
    select from policy p
    where p.target_id <> for_target and p.org_id is null and p.rule_name is null and p.enabled
      and p.validity @> now())
  then
    perform take_due(cardinality(names), null, orgs, names);
  end if;
  last_cluster := names[cardinality(names)];
  clusters := coalesce(clusters, '[]');
  return next;
end $$;

comment on function ccx.decide_pass(text, text, integer) is
  'Decides for the next clusters of new_reports after this one, for one target; returns the last of them '
  'and, in JSON, those that have issues with the issues to notify. No row: there are no more.';
