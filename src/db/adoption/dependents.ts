import type { ClientBase } from "pg";
import { ConfigurationError } from "../../errors.ts";
import { kept, viewsOfBoth, writerTables } from "./phase.ts";

/** What of others hangs on tables that go, or that others come in the place of: a sentence for each. */

type Db = Pick<ClientBase, "query">;

const sentences = async (db: Db, sql: string, values: unknown[]): Promise<string[]> =>
  (await db.query<{ sentence: string }>(sql, values)).rows.map(({ sentence }) => sentence);

/** What depends on their tables and will go on with the old ones: views, foreign keys, publications. */
export const dependentsOnTheirs = (db: Db): Promise<string[]> =>
  sentences(
    db,
    `with theirs as (
       select c.oid, c.relname from pg_class c
       where c.relnamespace = 'public'::regnamespace and c.relname = any ($1))
     ${viewsAndKeys}
     union all
     select format('The trigger %s of %s stays on the old table.', g.tgname, t.relname)
     from pg_trigger g
     join theirs t on t.oid = g.tgrelid
     where not g.tgisinternal
     union all
     select format('The publication %s goes on to publish the old table %s.', p.pubname, t.relname)
     from pg_publication_rel r
     join pg_publication p on p.oid = r.prpubid
     join theirs t on t.oid = r.prrelid
     order by 1`,
    [writerTables],
  );

/** What of others would go with the old tables and our views of them. */
export const dependentsOnOld = (db: Db): Promise<string[]> =>
  sentences(
    db,
    `with theirs as (
       select c.oid, c.relname from pg_class c where c.relnamespace = '${kept}'::regnamespace)
     ${viewsAndKeys}
     union all
     ${amongOld}
     order by 1`,
    [[...writerTables, ...viewsOfBoth, "adoption"]],
  );

/** Of others: our own views of both are in the schema of the old tables, and go with them. */
const viewsAndKeys = `
  select distinct format('The view %s reads %s and goes on to read the old table: create it again.',
    v.oid::regclass, t.relname) as sentence
  from pg_depend d
  join theirs t on t.oid = d.refobjid and d.refclassid = 'pg_class'::regclass
  join pg_rewrite w on w.oid = d.objid and d.classid = 'pg_rewrite'::regclass
  join pg_class v on v.oid = w.ev_class
  where v.oid <> t.oid and v.relnamespace is distinct from to_regnamespace('${kept}')
  union all
  select format('The foreign key %s of %s stays on the old table.', k.conname, k.conrelid::regclass)
  from pg_constraint k
  join theirs t on t.oid = k.confrelid
  where k.contype = 'f' and k.conrelid not in (select oid from theirs)`;

/** What others made in the schema of the old tables, which is dropped with all that is in it. */
const amongOld = `
  select format('The %s %s is in the schema ${kept}.', i.type, i.identity) as sentence
  from (
    select 'pg_class'::regclass::oid as classid, c.oid as objid from pg_class c
    where c.relnamespace = to_regnamespace('${kept}') and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
      and c.relname <> all ($1)
    union all
    select 'pg_proc'::regclass, p.oid from pg_proc p where p.pronamespace = to_regnamespace('${kept}')
  ) it
  cross join lateral pg_identify_object(it.classid, it.objid, 0) i
  where not exists (
    select from pg_depend d
    where d.classid = it.classid and d.objid = it.objid and d.deptype in ('a', 'i')
      and d.refclassid = 'pg_class'::regclass)`;

/** What is about to be dropped with everything that needs it. */
export type Dropped = {
  /** Schemas, whole. */
  schemas: readonly string[];
  /** Tables of `public`; days come with them. */
  tables: readonly string[];
  /** Whether the extension btree_gist goes. */
  btreeGist: boolean;
};

/**
 * Looks whether anybody else needs what is about to be dropped.
 * @throws ConfigurationError that names views, foreign keys, triggers, functions and columns of others that
 *   do
 */
export async function requireUnneeded(db: Db, dropped: Dropped): Promise<void> {
  const needing = await dependentsOnOurs(db, dropped);
  if (needing.length > 0)
    throw new ConfigurationError(["Something of yours needs what would be dropped.", ...needing].join("\n"));
}

/** What of others would go with these objects of ours. */
export async function dependentsOnOurs(db: Db, { schemas, tables, btreeGist }: Dropped): Promise<string[]> {
  const { rows } = await db.query<{ loaded: boolean }>(
    "select to_regclass('ccx.code_object') is not null as loaded",
  );
  const code = rows[0]?.loaded
    ? "select split_part(o.name, ' ', 1) as kind, o.identity from ccx.code_object o"
    : "select null::text as kind, null::text as identity where false";
  return await sentences(
    db,
    `with gone as (
       select n.oid from pg_namespace n where n.nspname = any ($2)
     ), code as materialized (
       ${code}
     ), ours as materialized (
       select 'pg_class'::regclass::oid as classid, c.oid as objid
       from pg_class c
       where c.relnamespace in (select oid from gone)
         or c.relnamespace = 'public'::regnamespace
           and (c.relname = any ($3) or c.relname ~ '^(new_reports|reported)_([0-9]{8}(_detached)?|default)$'
             and 'new_reports' = any ($3))
         or c.relnamespace = to_regnamespace('${kept}') and c.relname = any ($4)
         or c.oid in (select to_regclass(o.identity) from code o where o.kind = 'view')
       union
       select 'pg_proc'::regclass, p.oid
       from pg_proc p
       where p.pronamespace in (select oid from gone)
         or p.oid in (select to_regprocedure(o.identity) from code o where o.kind = 'function')
       union
       select 'pg_type'::regclass, t.oid
       from pg_type t
       where t.typnamespace in (select oid from gone)
         or t.oid in (select to_regtype(o.identity) from code o where o.kind = 'type')
       union
       select it.classid, it.objid
       from pg_extension e
       cross join lateral (
         select 'pg_extension'::regclass::oid as classid, e.oid as objid
         union all
         select d.classid, d.objid
         from pg_depend d
         where d.refclassid = 'pg_extension'::regclass and d.refobjid = e.oid and d.deptype = 'e') it
       where e.extname = 'btree_gist' and $5 or e.extnamespace in (select oid from gone)
     ), with_parts as materialized (
       select * from ours
       union
       select 'pg_class'::regclass, x.indexrelid
       from pg_index x
       where x.indrelid in (select o.objid from ours o where o.classid = 'pg_class'::regclass)
       union
       select 'pg_type'::regclass, t.oid
       from pg_type t
       where t.typrelid in (select o.objid from ours o where o.classid = 'pg_class'::regclass)
         or t.typelem in (
           select r.reltype from ours o
           join pg_class r on o.classid = 'pg_class'::regclass and r.oid = o.objid and r.reltype <> 0)
         or t.typelem in (select o.objid from ours o where o.classid = 'pg_type'::regclass)
     ), dependent as materialized (
       select distinct d.classid, d.objid, d.objsubid, d.refclassid, d.refobjid
       from with_parts o
       join pg_depend d on d.refclassid = o.classid and d.refobjid = o.objid and d.deptype = 'n'
       -- a foreign key needs the table as well
       where not (
         d.refclassid = 'pg_class'::regclass and d.refobjid in (select x.indexrelid from pg_index x))
     ), of_others as materialized (
       select classid, objid from dependent
       except
       select classid, objid from with_parts
       except
       -- what is part of ours, such as a constraint, goes with what it is part of
       select d.classid, d.objid
       from with_parts o
       join pg_depend d on d.refclassid = o.classid and d.refobjid = o.objid
         and d.deptype in ('a', 'e', 'i', 'P', 'S')
     ), needing as (
       select distinct
         case when v.oid is null then d.classid else 'pg_class'::regclass end as classid,
         coalesce(v.oid, d.objid) as objid, case when v.oid is null then d.objsubid else 0 end as objsubid,
         d.refclassid, d.refobjid
       from of_others o
       join dependent d on d.classid = o.classid and d.objid = o.objid
       left join pg_rewrite w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid
       left join pg_class v on v.oid = w.ev_class and v.relkind in ('v', 'm')
     )
     select format('The %s %s needs the %s %s.', i.type, i.identity, r.type, r.identity) as sentence
     from needing n
     cross join lateral pg_identify_object(n.classid, n.objid, n.objsubid) i
     cross join lateral pg_identify_object(n.refclassid, n.refobjid, 0) r
     union
     ${amongOld}
     union
     select format('The extension %s is in the schema %s.', e.extname, n.nspname)
     from pg_extension e
     join pg_namespace n on n.oid = e.extnamespace
     where e.extnamespace in (select oid from gone) and e.extname <> 'btree_gist'
     order by 1`,
    [[...writerTables, ...viewsOfBoth, "adoption"], schemas, tables, [...viewsOfBoth, "adoption"], btreeGist],
  );
}
