-- Roles belong to the whole server: one that another database of it made has no rights here.
create or replace function ccx.may_become_results() returns boolean
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select coalesce((
    select pg_has_role(r.oid, 'set') and r.rolname <> current_user
      and has_table_privilege(r.oid, 'public.latest_report', 'select')
    from pg_catalog.pg_roles r
    where r.rolname = 'ccx_results'), false);
$$;

comment on function ccx.may_become_results() is
  'Whether there is a role ccx_results with rights in this database that the caller may take for a request, '
  'so that row-level security holds.';
