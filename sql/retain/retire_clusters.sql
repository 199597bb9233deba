create or replace function ccx.retire_clusters(at timestamptz, horizon timestamptz) returns bigint
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  retired bigint;
begin
  execute format(
    'select count(distinct (c.org_id, c.cluster))
     from (select l.org_id, l.cluster from latest_report l where l.ctid = any (array(%s limit 100))
       for update skip locked) c
     cross join lateral forget_rows(c.org_id, c.cluster, false) f', past_rows('latest_report'))
  into retired using retire_clusters.at, horizon;
  return retired;
end $$;

comment on function ccx.retire_clusters(timestamptz, timestamptz) is
  'Forgets a hundred of the clusters at most that stopped reporting before the horizon, but for what people '
  'made about them; returns how many.';
