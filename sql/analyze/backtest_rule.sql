create or replace function backtest_rule(rule text, since timestamptz default null)
returns table (archive_id bigint, org_id bigint, cluster text, announced_at timestamptz, error_key text,
  details jsonb, reason text, detail text, ms double precision)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  began timestamptz;
begin
  for archive_id, org_id, cluster, announced_at in
    select k.id, k.org_id, k.cluster, k.announced_at
    from kept_archive k
    where k.kept_at >= coalesce(backtest_rule.since, now() - interval '7 days')
    order by k.announced_at desc, k.id
  loop
    began := clock_timestamp();
    return query
    select archive_id, org_id, cluster, announced_at, t.error_key, t.details, t.reason, t.detail,
      extract(epoch from clock_timestamp() - began)::double precision * 1000
    from try_rule(backtest_rule.rule, archive_id) t;
  end loop;
end $$;

comment on function backtest_rule(text, timestamptz) is
  'What a rule would have found in the archives kept since then, or in seven days: a row for each hit and '
  'each failure.';
