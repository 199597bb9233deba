create or replace function ccx.put_aside(org_id bigint, cluster text, reason text,
  at timestamptz default now())
  returns integer
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
#variable_conflict use_column
declare
  tries integer;
  was_by_report boolean;
begin
  delete from decision_due d
  where d.org_id = put_aside.org_id and d.cluster = put_aside.cluster
  returning d.by_report into was_by_report;
  -- somebody else decided meanwhile
  if not found then
    return 0;
  end if;
  insert into stuck_cluster as s (org_id, cluster, reason, since, next_try_at, by_report)
  values (put_aside.org_id, put_aside.cluster, put_aside.reason, put_aside.at,
    put_aside.at + interval '1 minute', was_by_report)
  on conflict (cluster, org_id) do update
  set reason = excluded.reason, attempts = s.attempts + 1, by_report = s.by_report or excluded.by_report,
    next_try_at = put_aside.at + least(interval '6 hours', interval '1 minute' * 2 ^ least(s.attempts, 10))
  returning s.attempts into tries;
  return tries;
end $$;

comment on function ccx.put_aside(bigint, text, text, timestamptz) is
  'Puts a waiting cluster aside whose decision fails for this reason, until its next try; returns how many '
  'tries have failed, 0 when it does not wait any more.';
