-- The policies that count for the role are looked at, not tried: a person would otherwise see the rows of
-- others wherever nobody has set row-level security up. Every table with a column org_id counts.
create or replace function ccx.is_narrowed() returns boolean
language sql stable
set search_path = public, ccx, pg_temp
as $$
  with mine as (
    select p.tablename, p.permissive = 'PERMISSIVE' as opens, p.qual like '%ccx.organization%' as narrows
    from pg_policies p
    where p.schemaname = 'public' and exists (
      select from unnest(p.roles) r (role)
      where r.role = 'public' or pg_has_role(current_user, r.role, 'usage'))
  )
  select bool_and(row_security_active(c.oid)
    and exists (select from mine m where m.tablename = c.relname and m.narrows)
    and (exists (select from mine m where m.tablename = c.relname and m.narrows and not m.opens)
      or not exists (select from mine m where m.tablename = c.relname and m.opens and not m.narrows)))
  from pg_class c
  join pg_attribute a on a.attrelid = c.oid and a.attname = 'org_id' and not a.attisdropped
  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    -- says who sees what, to each his own rows
    and c.relname <> 'organization_reader'
$$;

comment on function ccx.is_narrowed() is
  'Whether row-level security shows this role only the rows of the organization in the setting '
  'ccx.organization.';
