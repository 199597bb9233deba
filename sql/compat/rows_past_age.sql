-- By the time of the report, as the incumbent does it, also for `reported`.
create or replace function ccx.rows_past_age(of_table text, max_age interval)
  returns table (org_id bigint, account_number bigint, cluster text, updated_at timestamptz, age_days integer)
language sql volatile
set search_path = public, ccx, pg_temp
as $$
  select o.org_id, o.account_number, btrim(o.cluster), o.updated_at,
    ceil(extract(epoch from now() - o.updated_at) / 86400)::integer
  from (
    select r.org_id, r.account_number, r.cluster, r.updated_at
    from new_reports r where rows_past_age.of_table = 'new_reports'
    union all
    select r.org_id, r.account_number, r.cluster, r.updated_at
    from reported r where rows_past_age.of_table = 'reported'
    union all
    select r.org_id, 0, r.cluster, r.updated_at
    from read_errors r where rows_past_age.of_table = 'read_errors'
  ) o
  where o.updated_at < now() - max_age
  order by o.updated_at;
$$;

comment on function ccx.rows_past_age(text, interval) is
  'The rows of new_reports, reported or read_errors whose report is older than this, with its age in days, '
  'rounded up.';
