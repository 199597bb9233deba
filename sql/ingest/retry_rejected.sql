-- Messages that were rejected, tried again by the same parser (src/ingest/retry.ts). An element of the batch
-- is what ingest() takes, with the id of the rejected message. What conforms now is stored as if it had just
-- arrived; no offset moves.
create or replace function ccx.retry_rejected(
  batch jsonb,
  at timestamptz default now()
) returns table (stored integer, replaced integer, unchanged integer, rejected integer, done_already integer)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  waiting bigint[];
  of_workloads bigint[];
  mine jsonb;
begin
  -- of two at once, the second one waits here and finds stored what the first one has stored
  with locked as (
    select r.id, r.stream
    from rejected_message r
    where r.id in (select m.id from jsonb_to_recordset(batch) as m (id bigint)) and r.stored_at is null
    order by r.id
    for update
  )
  select coalesce(array_agg(locked.id), '{}'),
    coalesce(array_agg(locked.id) filter (where locked.stream = 'workloads'), '{}')
  into waiting, of_workloads
  from locked;

  -- what named no cluster came here by its partition; what names one of another cell now is not ours to store
  select coalesce(jsonb_agg(m.element || case
    when m.element ->> 'reason' is not null or owns(m.element ->> 'cluster') is not false then '{}'
    else jsonb_build_object('reason', r.reason, 'detail', format(
      'conforms, but belongs to another cell (bucket %s)', bucket_of(m.element ->> 'cluster'))) end), '[]')
  into mine
  from jsonb_array_elements(batch) as m (element)
  join rejected_message r on r.id = (m.element ->> 'id')::bigint
  where r.id = any (waiting);

  with sorted as (
    select m.element, (m.element ->> 'id')::bigint = any (of_workloads) as of_workloads
    from jsonb_array_elements(mine) as m (element)
  ), done as (
    select s.*
    from (select jsonb_agg(m.element) as batch from sorted m where not m.of_workloads) b
    cross join lateral store_reports(coalesce(b.batch, '[]'), 0, retry_rejected.at) s
    union all
    select s.*
    from (select jsonb_agg(m.element) as batch from sorted m where m.of_workloads) b
    cross join lateral store_workloads(coalesce(b.batch, '[]'), 0, retry_rejected.at) s
  )
  select sum(d.stored), sum(d.replaced), sum(d.unchanged) into stored, replaced, unchanged from done d;

  with tried as (
    update rejected_message r
    set attempts = r.attempts + 1,
        retried_at = retry_rejected.at,
        stored_at = case when m.reason is null then retry_rejected.at end,
        reason = coalesce(m.reason, r.reason),
        detail = coalesce(m.detail, r.detail),
        org_id = m.org_id,
        cluster = m.cluster,
        -- longer and longer waits, for a day or so
        retry_due_at = case when m.reason is not null and m.retry_at is not null and r.attempts < 8
          then greatest(m.retry_at, retry_rejected.at + interval '10 minutes' * 2 ^ (r.attempts - 1)) end,
        -- what is stored needs nobody's attention any more
        dead_letter_due_at = case
          when m.reason is null then null
          when r.retry_due_at is not null and (m.retry_at is null or r.attempts >= 8)
            then coalesce(r.dead_letter_due_at, retry_rejected.at)
          else r.dead_letter_due_at end
    from jsonb_to_recordset(mine) as m (
      id bigint, org_id bigint, cluster text, reason text, detail text, retry_at timestamptz)
    where r.id = m.id and r.id = any (waiting)
    returning m.reason
  )
  select count(t.reason), jsonb_array_length(batch) - count(*) into rejected, done_already from tried t;

  perform announce('retried', jsonb_build_object(
    'stored', stored, 'replaced', replaced, 'unchanged', unchanged, 'rejected', rejected));
  return next;
end $$;

comment on function ccx.retry_rejected(jsonb, timestamptz) is
  'Stores rejected messages that conform now as if they had just arrived, and renews the reason of those '
  'that do not; what has been stored already is left alone.';
