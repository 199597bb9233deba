-- Every question is answered by an index that begins with the cluster, or from its own issues.
create or replace function ccx.cluster_life(cluster text, since timestamptz, until timestamptz)
returns table (
  kind text, lane text, begins timestamptz, ends timestamptz, org_id bigint, label text, id bigint,
    detail text)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  with mine as materialized (
    select i.id, i.org_id, r.component, r.rule_name, r.error_key
    from issue i
    join rule r on r.id = i.rule_id
    where i.cluster = lower(cluster_life.cluster)
  )
  select 'report', 'reports', n.updated_at, null::timestamptz, n.org_id, 'report', null::bigint,
    'received ' || to_char(n.received_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')
  from latest_report l
  join new_reports n on n.org_id = l.org_id and n.cluster = l.cluster
  where l.cluster = lower(cluster_life.cluster) and n.updated_at >= since and n.updated_at < until
  union all
  select 'issue', m.rule_name || '|' || m.error_key, o.opened_at, o.closed_at, m.org_id,
    m.rule_name || '|' || m.error_key, m.id, 'occurrence ' || o.occurrence
  from mine m
  join occurrence o on o.issue_id = m.id
  where o.opened_at < until and coalesce(o.closed_at, 'infinity') >= since
  union all
  select 'notification', t.name, n.decided_at, n.ended_at, n.org_id, n.state, n.id,
    coalesce((
      select string_agg(m.rule_name || '|' || m.error_key, ', ' order by m.rule_name)
      from notified_issue x
      join mine m on m.id = x.issue_id
      where x.notification_id = n.id and not x.left_out), '')
  from notification n
  join event_targets t on t.id = n.target_id
  where n.cluster = lower(cluster_life.cluster) and n.decided_at >= since and n.decided_at < until
  union all
  select 'skipped', t.name, r.notified_at, null, r.org_id, s.value, null, s.comment
  from latest_report l
  join reported r on r.org_id = l.org_id and r.cluster = l.cluster
  join states s on s.id = r.state
  join event_targets t on t.id = r.event_type_id
  where l.cluster = lower(cluster_life.cluster) and r.notified_at >= since and r.notified_at < until
    and s.value in ('same', 'lower')
  union all
  select 'silence', 'silences', s.starts_at, s.ends_at, s.org_id, s.reason, s.id, s.created_by
  from silences s
  where (s.cluster = lower(cluster_life.cluster)
      or s.cluster is null and s.org_id in (
        select l.org_id from latest_report l where l.cluster = lower(cluster_life.cluster)))
    and s.starts_at < until and s.ends_at >= since
  order by 1, 3
$$;

comment on function ccx.cluster_life(text, timestamptz, timestamptz) is
  'What happened to a cluster between two times: reports, issues from opened to closed, messages, reports '
  'that notified nothing, silences of the cluster or its organization.';
