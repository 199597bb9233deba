-- From the tables alone, so it tells what happened, not what was logged. What a step writes nowhere is not
-- there: a report that was not decided on yet has no line about a decision.
--
-- Of a cluster it shows the newest upload; of a cluster whose results come from another pipeline, its newest
-- report. `took` is the time since the step before.
create or replace function trace(what text)
returns table (place bigint, at timestamptz, step text, took interval, request_id text, org_id bigint,
  cluster text, detail text)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  with upload as materialized (
    select a.*
    from analysis a
    where a.request_id = trace.what
    union
    (select a.*
    from analysis a
    where a.cluster = lower(trace.what)
    order by a.announced_at desc nulls last
    limit 1)
  ), report as materialized (
    select u.id as upload_id, u.request_id, r.org_id, r.cluster, r.updated_at, r.received_at, r.kafka_offset
    from upload u
    join new_reports r on r.org_id = u.org_id and r.cluster = u.cluster and r.updated_at = u.announced_at
    union all
    select null, null, r.org_id, r.cluster, r.updated_at, r.received_at, r.kafka_offset
    from latest_report l
    join new_reports r on r.org_id = l.org_id and r.cluster = l.cluster and r.updated_at = l.updated_at
    where l.cluster = lower(trace.what) and not exists (select from upload)
  ), sent as materialized (
    select u.id as upload_id, s.*
    from upload u
    join upload_status s on s.request_id = u.request_id
    union all
    -- no pipeline of ours has taken it
    select null, s.*
    from upload_status s
    where s.request_id = trace.what and not exists (select from upload)
  ), steps as (
    select s.upload_id, -2 as nth, s.received_at as at, 'received' as step, s.request_id, s.org_id, s.cluster,
      format('%s bytes of %s', s.size, concat_ws('.', s.service, s.category)) as detail
    from sent s
    where s.received_at is not null
    union all
    select s.upload_id, -1, s.stored_at, 'kept', s.request_id, s.org_id, s.cluster,
      case when s.duplicate_of is not null then 'the same content as an earlier upload' end
    from sent s
    where s.stored_at is not null
    union all
    select s.upload_id, 0, s.announced_at, 'announced', s.request_id, s.org_id, s.cluster,
      concat_ws(', ', 'on ' || u.topic || '/' || u.partition || '/' || u.kafka_offset, s.failure)
    from sent s
    left join upload u on u.id = s.upload_id
    where s.announced_at is not null
    union all
    select u.id as upload_id, 1 as nth, u.announced_at as at, 'announced' as step, u.request_id, u.org_id,
      u.cluster, format('on %s/%s/%s', u.topic, u.partition, u.kafka_offset) as detail
    from upload u
    where u.announced_at is not null
      -- it is the time of the upload, and ours has that already
      and not exists (select from sent s where s.upload_id = u.id and s.announced_at is not null)
    union all
    select u.id, 2, u.received_at, 'taken', u.request_id, u.org_id, u.cluster, null
    from upload u
    union all
    select u.id, 3, u.downloaded_at, 'fetched', u.request_id, u.org_id, u.cluster,
      format('%s bytes, %s files, attempt %s', u.archive_bytes, u.entries, u.attempts)
    from upload u
    where u.downloaded_at is not null
    union all
    select u.id, 4, u.analyzed_at, 'analyzed', u.request_id, u.org_id, u.cluster,
      concat_ws(', ', format('%s hits', u.hits), (
        select format('%s rules failed: %s', count(*), string_agg(f.component, ', ' order by f.component))
        from rule_failure f
        where f.analysis_id = u.id
        having count(*) > 0))
    from upload u
    where u.analyzed_at is not null
    union all
    select u.id, 5, u.ended_at, u.state, u.request_id, u.org_id, u.cluster,
      case u.state
        when 'published' then format('on %s/%s/%s', u.result_topic, u.result_partition, u.result_offset)
        else format('%s: %s', u.failure, u.error) end
    from upload u
    where u.ended_at is not null
    union all
    select u.id, 5, u.next_attempt_at, 'next try', u.request_id, u.org_id, u.cluster,
      format('%s: %s', u.failure, u.error)
    from upload u
    where u.state = 'waiting' and u.failure is not null
    union all
    select r.upload_id, 6, r.received_at, 'stored', r.request_id, r.org_id, r.cluster,
      format('report %s/%s/%s', r.org_id, r.cluster, r.updated_at)
    from report r
    union all
    select r.upload_id, 7, n.decided_at, 'decided', r.request_id, r.org_id, r.cluster,
      format('%s: %s', t.name, (
        select string_agg(g.component || '|' || g.error_key, ', ' order by g.component, g.error_key)
        from notified_issue i
        join issue s on s.id = i.issue_id
        join rule g on g.id = s.rule_id
        where i.notification_id = n.id and not i.left_out))
    from report r
    join notification n on n.org_id = r.org_id and n.cluster = r.cluster and n.updated_at = r.updated_at
    join event_targets t on t.id = n.target_id
    union all
    select r.upload_id, 8, n.ended_at, n.state, r.request_id, r.org_id, r.cluster,
      concat_ws(', ', t.name, format('message %s', n.message_id), n.last_error)
    from report r
    join notification n on n.org_id = r.org_id and n.cluster = r.cluster and n.updated_at = r.updated_at
    join event_targets t on t.id = n.target_id
    where n.ended_at is not null
  )
  select
    row_number() over w,
    s.at, s.step,
    -- that a message is out may be recorded a moment after somebody has read it
    greatest(s.at - lag(s.at) over (partition by s.upload_id order by s.nth, s.at), '0'),
    s.request_id, s.org_id, s.cluster, s.detail
  from steps s
  window w as (order by s.upload_id nulls last, s.nth, s.at);
$$;

comment on function trace(text) is
  'The way of an upload (a request id, or a cluster: its newest) from the cluster to the customer.';
