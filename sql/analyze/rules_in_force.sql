create or replace function ccx.rules_in_force(out version text, out rules integer, out reads text[])
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select
    coalesce(md5(string_agg(r.name || ' ' || r.loaded_at, ',' order by r.name)), ''),
    count(*)::integer,
    coalesce((
      select array_agg(distinct p.pattern order by p.pattern)
      from sql_rule s
      cross join unnest(s.reads) p (pattern)
      where s.suspended_at is null), '{}')
  from sql_rule r
  where r.suspended_at is null;
$$;

comment on function ccx.rules_in_force() is
  'How many SQL rules run, which files they read, and a text that changes when any of that does.';
