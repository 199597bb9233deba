-- A right that somebody has by himself is not taken from him, as role_change takes a superfluous one from a
-- role: it may be meant, and it outlives every release. The roles do not hold it back, though: row-level
-- security narrows members of three of them only. For what it may be meant for there is a role; except that
-- another program that writes into one of the four tables that are shared needs no more than insert.
-- Whoever may give a right on has to lose that first, or what he gave stays.
create or replace view ccx.other_right with (security_invoker = true) as
with ordered as (
  select h.kind, h.object, r.rolname as grantee, h.is_grantable,
    case when h.grantor <> h.owner then h.grantor::regrole end as given_by,
    h.privilege || coalesce('(' || quote_ident(h.column_name) || ')', '') as what,
    h.privilege = 'INSERT' and h.object in (
      'public.new_reports', 'public.reported', 'public.rule_disable',
      'public.cluster_rule_toggle') as is_foreseen
  from ccx.held_right h
  join pg_roles r on r.oid = h.grantee and not r.rolsuper
  where h.grantee <> h.owner and r.rolname not in (select d.name from ccx.database_role d)
    and case
      when h.kind = 'database' then false
      when h.kind = 'schema' then h.privilege = 'CREATE'
      else (h.kind, h.object) in (select o.kind, o.object from ccx.closed_object o)
    end
)
select o.grantee::text, o.kind, o.object, string_agg(o.what, ', ' order by o.what) as rights,
  bool_and(o.is_foreseen) as is_foreseen,
  format('revoke %s%s on %s %s from %s%s', case when o.given_by is not null then 'grant option for ' end,
    string_agg(o.what, ', ' order by o.what), o.kind, o.object,
    coalesce(o.given_by::text, quote_ident(o.grantee)),
    case when o.given_by is not null or bool_or(o.is_grantable) then ' cascade' end) as statement
from ordered o
group by o.grantee, o.kind, o.object, o.given_by;

comment on view ccx.other_right is
  'Every right on what is ours that somebody has by himself, who is neither the owner nor a role of ours, '
  'nor a superuser. The view doctor warns of those that are not foreseen.';
comment on column ccx.other_right.grantee is 'the login, or role of the site';
comment on column ccx.other_right.kind is 'table (or view), sequence, function or schema';
comment on column ccx.other_right.object is 'the object, as a statement names it';
comment on column ccx.other_right.rights is 'what he may do with it';
comment on column ccx.other_right.is_foreseen is
  'true: to insert into a table that other programs write as well';
comment on column ccx.other_right.statement is 'what takes it from him';
