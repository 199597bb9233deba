-- By what the newest parts of that kind took; a backtest also by how many days it goes over.
create or replace function ccx.survey_estimate(kind text, arguments jsonb, clusters bigint)
returns double precision
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select survey_estimate.clusters * extract(epoch from coalesce(
      (survey_estimate.arguments ->> 'to')::timestamptz - (survey_estimate.arguments ->> 'from')::timestamptz,
      interval '1 day')) * sum(n.seconds) / nullif(sum(n.cluster_seconds), 0)
  from (
    select p.seconds, p.clusters * extract(epoch from coalesce(
      (s.arguments ->> 'to')::timestamptz - (s.arguments ->> 'from')::timestamptz,
      interval '1 day')) as cluster_seconds
    from survey s
    join survey_part p on p.survey_id = s.id
    where s.kind = survey_estimate.kind and p.ended_at is not null
    order by p.ended_at desc
    limit 100) n
$$;

comment on function ccx.survey_estimate(text, jsonb, bigint) is
  'How many seconds one process would take for a survey of this kind over so many clusters, by what surveys '
  'of the kind took before; null: there was none.';
