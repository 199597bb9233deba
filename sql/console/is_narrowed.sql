-- The policies that count for the role are looked at, not tried: a person would otherwise see the rows of others
-- wherever nobody has set row-level security up.
create or replace function ccx.is_narrowed() returns boolean
language sql stable
set search_path = public, ccx, pg_temp
as $$
  select not exists (select from pg_roles r where r.rolname = current_user and (r.rolsuper or r.rolbypassrls))
    and bool_and(row_security_active(c.oid) and exists (
      select from pg_policies p
      where p.schemaname = 'public' and p.tablename = c.relname and p.qual like '%ccx.organization%'
        and (p.permissive = 'RESTRICTIVE' or not exists (
          select from pg_policies o
          where o.schemaname = 'public' and o.tablename = c.relname and o.permissive = 'PERMISSIVE'
            and o.qual not like '%ccx.organization%'
            and exists (
              select from unnest(o.roles) r (role)
              where r.role = 'public' or pg_has_role(current_user, r.role, 'usage'))))
        and exists (
          select from unnest(p.roles) r (role)
          where r.role = 'public' or pg_has_role(current_user, r.role, 'usage'))))
  from unnest('{new_reports,latest_report,issue,notification,reported,rejected_message,silence}'::text[]) as t (name)
  join pg_class c on c.relnamespace = 'public'::regnamespace and c.relname = t.name
$$;

comment on function ccx.is_narrowed() is
  'Whether row-level security shows this role only the rows of the organizations in the setting ccx.organization.';
