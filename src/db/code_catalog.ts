import type { ClientBase } from "pg";

/** A row of ccx.code_object, and whether the database still has the object. */
export type LoadedObject = { name: string; identity: string; file: string; hash: string; exists: boolean };

/** An object as PostgreSQL knows it; `version` is another after each `create or replace function`. */
export type CatalogObject = { classid: string; objid: string; version: string; identity: string };

/** What was loaded, in the order of loading. */
export async function loadedObjects(client: Pick<ClientBase, "query">): Promise<LoadedObject[]> {
  const { rows } = await client.query<LoadedObject>(`
    select o.name, o.identity, o.file, o.hash,
      case split_part(o.name, ' ', 1)
        when 'function' then to_regprocedure(o.identity) is not null
        when 'view' then to_regclass(o.identity) is not null
        when 'type' then to_regtype(o.identity) is not null
        when 'trigger' then exists (
          select from pg_trigger t
          where t.tgname = split_part(o.name, ' ', 2)
            and t.tgrelid = to_regclass(split_part(o.name, ' ', 4)) and t.tgparentid = 0)
        else true
      end as exists
    from ccx.code_object o
    order by o.position`);
  return rows;
}

/** The functions (all that share the name), the view or the type that a name of ours stands for. */
export async function objectsNamed(client: ClientBase, name: string): Promise<CatalogObject[]> {
  const [kind, qualified = ""] = name.split(" ");
  const [schema, local] = qualified.split(".");
  const { rows } = await client.query<CatalogObject>(
    `select f.classid, f.objid, f.version, i.identity
     from (
       select 'pg_proc'::regclass::oid as classid, p.oid as objid, concat(p.oid, p.ctid) as version
       from pg_proc p where $1 = 'function' and p.pronamespace = to_regnamespace($2) and p.proname = $3
       union all
       select 'pg_class'::regclass::oid, c.oid, c.oid::text
       from pg_class c where $1 = 'view' and c.relnamespace = to_regnamespace($2) and c.relname = $3
       union all
       select 'pg_type'::regclass::oid, t.oid, t.oid::text
       from pg_type t where $1 = 'type' and t.typnamespace = to_regnamespace($2) and t.typname = $3
     ) f
     cross join lateral pg_identify_object(f.classid, f.objid, 0) i
     order by f.objid`,
    [kind, schema, local],
  );
  return rows;
}

/**
 * What PostgreSQL would not leave in place when an object is dropped, each with its kind, the oldest first.
 * Rules, row types and the like are part of what they belong to and do not stand for themselves.
 */
export async function dependentsOf(
  client: ClientBase,
  { classid, objid }: Pick<CatalogObject, "classid" | "objid">,
): Promise<{ type: string; identity: string }[]> {
  const { rows } = await client.query<{ type: string; identity: string }>(
    `with recursive part as (
       select $1::oid as classid, $2::oid as objid
       union
       select d.classid, d.objid
       from part p
       join pg_depend d on d.refclassid = p.classid and d.refobjid = p.objid
       where not exists (
         select from pg_class t
         where d.classid = 'pg_class'::regclass and t.oid = d.objid and t.relkind = 't')
     ), dependent as (
       -- a rule stands for its view, the default of a column for the column's table
       select distinct
         coalesce(r.kind, p.classid) as classid, coalesce(r.ev_class, p.objid) as objid
       from part p
       left join lateral (
         select 'pg_class'::regclass::oid as kind, w.ev_class
         from pg_rewrite w
         where p.classid = 'pg_rewrite'::regclass and w.oid = p.objid) r on true
     )
     select i.type, i.identity
     from dependent d
     cross join lateral pg_identify_object(d.classid, d.objid, 0) i
     where (d.classid, d.objid) <> ($1::oid, $2::oid)
       and not exists (
         select from pg_type t
         where d.classid = 'pg_type'::regclass and t.oid = d.objid and (t.typrelid <> 0 or t.typelem <> 0))
       and not exists (
         select from pg_class c
         where d.classid = 'pg_class'::regclass and c.oid = d.objid and c.relkind = 'c')
     order by d.objid`,
    [classid, objid],
  );
  return rows;
}

/** A statement that gives an object a grant, for after it has been created again under this identity. */
export type Grant = (identity: string) => string;

/** The grants that an object, and each column of a view, has now. */
export async function grantsOf(client: ClientBase, { classid, objid }: CatalogObject): Promise<Grant[]> {
  const { rows } = await client.query<{ privilege: string; kind: string; to: string }>(
    `with object as (
       select 'function' as kind, '' as columns, p.proacl as acl, p.proowner as owner
       from pg_proc p where $1::oid = 'pg_proc'::regclass and p.oid = $2
       union all
       select 'table', '', c.relacl, c.relowner
       from pg_class c where $1::oid = 'pg_class'::regclass and c.oid = $2
       union all
       select 'table', format('(%I)', a.attname), a.attacl, c.relowner
       from pg_class c
       join pg_attribute a on a.attrelid = c.oid
       where $1::oid = 'pg_class'::regclass and c.oid = $2 and a.attnum > 0 and not a.attisdropped
       union all
       select 'type', '', t.typacl, t.typowner
       from pg_type t where $1::oid = 'pg_type'::regclass and t.oid = $2
     )
     select 'revoke all' as privilege, o.kind, 'from public' as to, 0 as place
     from object o
     where o.acl is not null and o.columns = ''
     union all
     select 'grant ' || a.privilege_type || o.columns, o.kind,
       'to ' || case a.grantee when 0 then 'public' else a.grantee::regrole::text end
         || case when a.is_grantable then ' with grant option' else '' end,
       1
     from object o
     cross join lateral aclexplode(o.acl) a
     where a.grantee <> o.owner
     order by place`,
    [classid, objid],
  );
  return rows.map(
    ({ privilege, kind, to }) =>
      (identity) =>
        `${privilege} on ${kind} ${identity} ${to}`,
  );
}
