-- Of messages that were sent. A replay repeats an older one, and says nothing about how long customers wait.
create or replace function ccx.delivery_times(ids bigint[])
returns table (seen_seconds double precision, decided_seconds double precision, traceparent text)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select extract(epoch from n.ended_at - r.received_at)::double precision,
    extract(epoch from n.ended_at - n.decided_at)::double precision, n.traceparent
  from notification n
  join new_reports r on r.org_id = n.org_id and r.cluster = n.cluster and r.updated_at = n.updated_at
  where n.id = any (ids) and n.state = 'sent' and n.replay_of is null;
$$;

comment on function ccx.delivery_times(bigint[]) is
  'How long each of these messages took until its receiver had accepted it: from the arrival of the report, '
  'and from the decision; and the trace that it belongs to.';
