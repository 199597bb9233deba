create or replace function ccx.concerns_many(issues integer, open_issues integer default null) returns boolean
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select concerns_many.issues >= g.min_issues and concerns_many.issues > g.max_share * coalesce(
    open_issues, (select count(*) from issue i where i.closed_at is null))
  from content_guard g;
$$;

comment on function ccx.concerns_many(integer, integer) is
  'True when so many of the open issues are more than one input may hold or release without a person who '
  'agrees (content_guard).';
