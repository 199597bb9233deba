-- Whoever analyzed an archive publishes its result. This finds what is left by one who could not.
create or replace function ccx.claim_results(batch_size integer, lease interval, at timestamptz default now())
returns table (id bigint, cluster text, message text, traceparent text)
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  with due as (
    select a.id
    from analysis a
    where a.state = 'analyzed' and a.next_attempt_at <= claim_results.at
    order by a.next_attempt_at
    limit claim_results.batch_size
    for update skip locked
  )
  update analysis a
  set next_attempt_at = claim_results.at + claim_results.lease
  from due d
  where a.id = d.id
  returning a.id, a.cluster, a.message, a.traceparent;
$$;

comment on function ccx.claim_results(integer, interval, timestamptz) is
  'Takes results that are due to be published, for the length of a lease.';
