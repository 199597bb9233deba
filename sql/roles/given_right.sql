-- What PUBLIC has, everybody has, so it is in here as the role `public`.
create or replace view ccx.given_right with (security_invoker = true) as
select h.kind, h.object, coalesce(d.name, 'public') as role, h.privilege, h.column_name
from ccx.held_right h
left join pg_roles r on r.oid = h.grantee
left join ccx.database_role d on d.name = r.rolname
where (d.name is not null or h.grantee = 0)
  and (d.name is distinct from 'ccx_owner' or h.kind in ('schema', 'database'))
union
select 'role', g.rolname, r.rolname, 'MEMBER', null
from pg_auth_members m
join pg_roles g on g.oid = m.roleid
join pg_roles r on r.oid = m.member
join ccx.database_role d on d.name = r.rolname;

comment on view ccx.given_right is
  'Every right that the roles and PUBLIC have now, in the form of wanted_right.';
comment on column ccx.given_right.kind is 'table (or view), sequence, function, schema, database or role';
comment on column ccx.given_right.object is 'the object, as a statement names it';
comment on column ccx.given_right.role is 'the role that has it; public: everybody';
comment on column ccx.given_right.privilege is 'what it is allowed; MEMBER: it is a member of the role';
comment on column ccx.given_right.column_name is 'the column, where it is not the whole object';
