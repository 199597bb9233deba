-- A column of its own row each where a right is for some columns only. Views run with the rights of whoever
-- asks, so a right on a view opens nothing that the tables behind it do not; those that a machine watches are
-- for whoever runs the service.
create or replace view ccx.wanted_right with (security_invoker = true) as
with relation as (
  select c.oid, n.nspname as schema, c.relname as name, c.relkind as kind,
    format('%I.%I', n.nspname, c.relname) as object
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  where n.nspname in ('public', 'ccx', 'aggregator', 'fleet', 'graphile_worker', 'graphile_migrate')
    and not c.relispartition
    and not exists (
      select from pg_depend d
      where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
), service (role) as (
  values ('ccx_ingest'), ('ccx_decide'), ('ccx_deliver'), ('ccx_operator'), ('ccx_metrics')
)
-- tables
select 'table' as kind, r.object, t.role, k.privilege, btrim(c.name) as column_name
from ccx.table_right t
join relation r on r.oid = to_regclass(t.name)
cross join lateral regexp_matches(t.letters, '([rawd])(?:\(([^)]*)\))?', 'g') as m (match)
join (values ('r', 'SELECT'), ('a', 'INSERT'), ('w', 'UPDATE'), ('d', 'DELETE')) as k (letter, privilege)
  on k.letter = m.match[1]
left join lateral unnest(string_to_array(m.match[2], ',')) as c (name) on true
union all
-- views
select 'table', r.object, d.name, 'SELECT', null
from relation r
join pg_rewrite w on w.ev_class = r.oid
join ccx.database_role d on d.name <> 'ccx_owner'
where r.kind = 'v' and r.schema in ('public', 'ccx', 'aggregator', 'fleet')
  and case
    when r.schema = 'fleet' then d.name in ('ccx_reader', 'ccx_operator')
    when r.name in ('status', 'doctor', 'sessions') or r.name like 'metrics\_%'
      then d.name in (select s.role from service s) or d.name = 'ccx_results' and r.name = 'metrics_content'
    else true
  end
union all
-- what the aggregator's writer inserts, whoever it is
select 'table', r.object, 'ccx_ingest', 'INSERT', null
from relation r
where r.kind = 'v' and r.schema = 'aggregator' and r.name <> 'migration_info'
union all
-- what graphile-worker and graphile-migrate need of their own tables
select 'table', r.object, s.role, p.privilege, null
from relation r
cross join service s
cross join (values ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) as p (privilege)
where r.schema = 'graphile_worker' and r.kind = 'r' and s.role in ('ccx_decide', 'ccx_deliver')
  and (r.name <> 'migrations' or p.privilege = 'SELECT')
union all
select 'sequence', r.object, s.role, 'USAGE', null
from relation r
cross join service s
where r.schema = 'graphile_worker' and r.kind = 'S' and s.role in ('ccx_decide', 'ccx_deliver')
union all
select 'table', r.object, s.role, 'SELECT', null
from relation r
cross join service s
where r.schema = 'graphile_worker' and r.kind = 'v'
union all
select 'table', r.object, s.role, 'SELECT', null
from relation r
cross join (table service union all values ('ccx_results')) s
where r.object = 'graphile_migrate.migrations'
union all
-- sequences
select 'sequence', r.object, s.role, s.privilege, null
from (values
  ('notification_id_seq', 'ccx_decide', 'USAGE'), ('notification_id_seq', 'ccx_operator', 'USAGE'),
  ('read_errors_error_id_seq', 'ccx_ingest', 'SELECT'),
  ('read_errors_error_id_seq', 'ccx_decide', 'SELECT'),
  ('read_errors_error_id_seq', 'ccx_operator', 'SELECT')
) as s (name, role, privilege)
join relation r on r.name = s.name and r.kind = 'S'
union all
-- functions that run with the rights of the owner
select 'function', p.oid::regprocedure::text, f.role, 'EXECUTE', null
from (values
  ('ensure_partition', 'ccx_ingest'), ('ensure_partition', 'ccx_decide'),
    ('ensure_partition', 'ccx_operator'),
  ('drop_empty_messages', 'ccx_decide'),
  ('split_too_large', 'ccx_decide'), ('split_too_large', 'ccx_deliver'),
  ('retain', 'ccx_decide'), ('retain', 'ccx_operator'), ('preview_retention', 'ccx_operator'),
  ('forget', 'ccx_operator'), ('preview_forget', 'ccx_operator'),
  ('withdraw_policy', 'ccx_operator'),
  ('open_sessions', 'ccx_metrics'),
  ('results_token', 'ccx_results'),
  ('import_reported', 'ccx_decide'), ('import_reported', 'ccx_operator')
) as f (name, role)
join pg_proc p on p.proname = f.name
join pg_namespace n on n.oid = p.pronamespace and n.nspname in ('public', 'ccx')
union all
-- schemas
select 'schema', n.nspname, d.name, p.privilege, null
from ccx.database_role d
cross join pg_namespace n
cross join (values ('USAGE'), ('CREATE')) as p (privilege)
where n.nspname in ('public', 'ccx', 'aggregator', 'fleet', 'extensions', 'graphile_worker',
  'graphile_migrate')
  and case
    when d.name = 'ccx_owner' then true
    when p.privilege = 'CREATE' then false
    when n.nspname = 'graphile_worker' then d.name in (select s.role from service s)
    when n.nspname = 'graphile_migrate' then d.name <> 'ccx_reader'
    else n.nspname <> 'extensions'
  end
union all
select 'database', quote_ident(current_database()), 'ccx_owner', 'CREATE', null
union all
-- other roles
select 'role', m.name, m.role, 'MEMBER', null
from (values
  ('ccx_metrics', 'ccx_ingest'), ('ccx_metrics', 'ccx_decide'), ('ccx_metrics', 'ccx_deliver'),
  ('ccx_metrics', 'ccx_operator'), ('ccx_metrics', 'ccx_console'),
  ('pg_read_all_stats', 'ccx_owner')
) as m (name, role);

comment on view ccx.wanted_right is
  'Every right that the roles are to have: the matrix table_right, with views, functions, sequences and '
  'schemas.';
comment on column ccx.wanted_right.kind is 'table (or view), sequence, function, schema, database or role';
comment on column ccx.wanted_right.object is 'the object, as a statement names it';
comment on column ccx.wanted_right.role is 'the role that is to have it';
comment on column ccx.wanted_right.privilege is
  'what it is to be allowed; MEMBER: to be a member of the role';
comment on column ccx.wanted_right.column_name is 'the column, where it is not the whole object';
