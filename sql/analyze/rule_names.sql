create or replace function ccx.rule_names() returns table (name text)
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select r.name from sql_rule r where r.suspended_at is null;
$$;

comment on function ccx.rule_names() is 'The SQL rules that run, those that are suspended left out.';
