-- The age counts from the report's time, as those who call it know it. The old tables of an adopted database
-- belong to it.
create or replace function ccx.old_rows(name text, max_age text)
  returns table (org_id bigint, account_number bigint, cluster text, updated_at timestamptz, age_days integer)
language plpgsql volatile
set search_path = public, ccx, pg_temp
as $$
declare
  account constant text := case name when 'read_errors' then '0' else 'r.account_number' end;
begin
  if coalesce(name not in ('new_reports', 'reported', 'read_errors'), true) then
    raise exception 'there is no table % of old rows: new_reports, reported or read_errors', name
      using errcode = 'NTM02';
  end if;
  return query execute format(
    'select r.org_id::bigint, (%s)::bigint, r.cluster, r.updated_at,
       ceil(extract(epoch from now() - r.updated_at) / 86400)::integer
     from %s r where r.updated_at < now() - $1 order by r.updated_at, r.org_id, r.cluster',
    account,
    case when to_regclass('incumbent.adoption') is null then format('public.%I', name)
      else format('incumbent.all_%s', name) end)
  using old_age(max_age);
end $$;

comment on function ccx.old_rows(text, text) is
  'The rows of new_reports, reported or read_errors whose report is older than max_age, oldest first, with '
  'those from before an adoption.';
