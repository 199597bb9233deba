-- The one place that turns messages about workloads into rows, for ingest_workloads() and retry_rejected().
-- An element of the batch is what ingest() takes; its report is {"workload_recommendations": […]}.
--
-- Several messages of one cluster are stored one after the other, so that a batch leaves what its messages
-- would have left one by one: a namespace that was away in between begins anew. What does not change is not
-- written again: recommendations of a cluster are large, and say the same for weeks.
create or replace function ccx.store_workloads(
  batch jsonb,
  from_offset bigint,
  at timestamptz
) returns table (stored integer, replaced integer, unchanged integer)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  step bigint := 1;
  turns bigint;
  changed text[];
  counted record;
begin
  select 0, 0, 0 into stored, replaced, unchanged;
  select coalesce(max(c.messages), 0) into turns
  from (
    select count(*) as messages
    from jsonb_to_recordset(batch) as m (kafka_offset bigint, reason text, cluster text)
    where m.reason is null and m.kafka_offset >= store_workloads.from_offset
    group by m.cluster
  ) c;

  -- in one order, so that two batches with the same clusters wait for each other and do not deadlock
  perform from workload_report w
  where w.cluster in (
    select m.cluster
    from jsonb_to_recordset(batch) as m (kafka_offset bigint, reason text, cluster text)
    where m.reason is null and m.kafka_offset >= store_workloads.from_offset)
  order by w.cluster
  for update;

  while step <= turns loop
    with message as materialized (
      select *
      from (
        select m.cluster collate "C" as cluster, m.org_id, m.updated_at, m.request_id,
          m.report::jsonb -> 'workload_recommendations' as recommendations,
          row_number() over (partition by m.cluster order by coalesce(m.id, m.kafka_offset)) as turn
        from jsonb_to_recordset(batch) as m (
          id bigint, kafka_offset bigint, reason text, org_id bigint, cluster text, updated_at timestamptz,
          request_id text, report text)
        where m.reason is null and m.kafka_offset >= store_workloads.from_offset
      ) m
      where m.turn = step
    ), known as materialized (
      select w.cluster, w.org_id, w.updated_at, w.recommendations
      from workload_report w
      where w.cluster in (select m.cluster from message m)
    ), written as (
      insert into workload_report as w (cluster, org_id, updated_at, received_at, request_id, recommendations)
      select m.cluster, m.org_id, m.updated_at, store_workloads.at, m.request_id, m.recommendations
      from message m
      order by m.cluster
      on conflict (cluster) do update
      set org_id = excluded.org_id,
          updated_at = excluded.updated_at,
          received_at = excluded.received_at,
          request_id = excluded.request_id,
          recommendations = case when w.recommendations = excluded.recommendations then w.recommendations
            else excluded.recommendations end
      -- two organizations at the same moment: the same one wins, whichever comes first
      where (excluded.updated_at, excluded.org_id) > (w.updated_at, w.org_id)
        or (excluded.updated_at, excluded.org_id) = (w.updated_at, w.org_id)
          and excluded.recommendations <> w.recommendations
      returning w.cluster
    )
    select
      count(*) filter (where w.cluster is not null
        and (k.updated_at, k.org_id) is distinct from (m.updated_at, m.org_id))::integer as stored,
      count(*) filter (where w.cluster is not null
        and (k.updated_at, k.org_id) = (m.updated_at, m.org_id))::integer as replaced,
      count(*) filter (where w.cluster is null)::integer as unchanged,
      array_agg(m.cluster) filter (where w.cluster is not null
        and (k.recommendations, k.org_id) is distinct from (m.recommendations, m.org_id)) as changed
    into counted
    from message m
    left join known k on k.cluster = m.cluster
    left join written w on w.cluster = m.cluster;
    changed := counted.changed;

    -- a statement of its own: a cluster that somebody else has just stored was waited for, and is seen here
    if changed is not null then
      with named as materialized (
        select w.cluster, w.org_id, w.updated_at, n.*
        from workload_report w
        cross join lateral workload_namespaces(w.recommendations) n
        where w.cluster = any (changed)
      ), gone as (
        delete from workload_namespace n
        where n.cluster = any (changed)
          and not exists (
            select from named f where f.cluster = n.cluster and f.namespace_id = n.namespace_id)
      )
      insert into workload_namespace as n (
        cluster, namespace_id, org_id, name, reported_at, recommendations, objects, hits)
      select f.cluster, f.namespace_id, f.org_id, f.name, f.updated_at, f.recommendations, f.objects, f.hits
      from named f
      on conflict (cluster, namespace_id) do update
      set org_id = excluded.org_id,
          name = excluded.name,
          reported_at = case when n.org_id = excluded.org_id then n.reported_at else excluded.reported_at end,
          recommendations = excluded.recommendations,
          objects = excluded.objects,
          hits = excluded.hits
      where (n.org_id, n.name, n.recommendations, n.objects, n.hits)
        is distinct from
        (excluded.org_id, excluded.name, excluded.recommendations, excluded.objects, excluded.hits);
    end if;

    stored := stored + counted.stored;
    replaced := replaced + counted.replaced;
    unchanged := unchanged + counted.unchanged;
    step := step + 1;
  end loop;
  return next;
end $$;

comment on function ccx.store_workloads(jsonb, bigint, timestamptz) is
  'Stores the workloads of a batch (what has a reason, or comes before from_offset, is passed over); says '
  'how many were newer than what was known, had other content, or changed nothing. Raises 22P02 when one is '
  'not JSON.';
