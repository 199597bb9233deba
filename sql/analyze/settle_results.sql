-- [{id, partition, offset}] for what is out, [{id, failure, error, permanent}] for what is not. What the
-- broker does not take now is tried again for ever, since that is not the result's fault.
create or replace function ccx.settle_results(
  results jsonb, topic text, at timestamptz default clock_timestamp()
) returns table (published integer, retried integer, dead integer)
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  with outcome as (
    select *
    from jsonb_to_recordset(settle_results.results) o (
      id bigint, "partition" integer, "offset" bigint, failure text, error text, permanent boolean)
  ), settled as (
    update analysis a
    set state = case when o.failure is null then 'published' when o.permanent then 'dead' else 'analyzed' end,
      next_attempt_at = case
        when o.failure is not null and not o.permanent then settle_results.at + interval '5 seconds' end,
      ended_at = case when o.failure is null or o.permanent then settle_results.at end,
      message = case when o.failure is not null and not o.permanent then a.message end,
      result_topic = case when o.failure is null then settle_results.topic end,
      result_partition = o."partition",
      result_offset = o."offset",
      failure = o.failure,
      error = left(o.error, 1000)
    from outcome o
    where a.id = o.id and a.state = 'analyzed'
    returning a.state
  )
  select
    (count(*) filter (where s.state = 'published'))::integer,
    (count(*) filter (where s.state = 'analyzed'))::integer,
    (count(*) filter (where s.state = 'dead'))::integer
  from settled s;
$$;

comment on function ccx.settle_results(jsonb, text, timestamptz) is
  'Records which results are on their topic, and which the broker did not take.';
