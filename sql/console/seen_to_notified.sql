create or replace function ccx.seen_to_notified(at timestamptz default now())
returns table (messages bigint, p50 double precision, p99 double precision)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select count(*), percentile_cont(0.5) within group (order by t.seen_seconds),
    percentile_cont(0.99) within group (order by t.seen_seconds)
  from delivery_times(array(
    select n.id from notification n
    where n.state = 'sent' and n.ended_at > seen_to_notified.at - interval '24 hours'
      and n.decided_at > seen_to_notified.at - interval '2 days'
    order by n.id desc limit 2000)) t
$$;

comment on function ccx.seen_to_notified(timestamptz) is
  'Seconds from the arrival of a report to its notification, of the newest 2000 messages sent in the last '
  'day.';
