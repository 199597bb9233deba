import type { Db } from "./builders.ts";
import { rows } from "./builders.ts";

/**
 * What the database consists of, as text to compare: objects of public and ccx, grants, and rows of look-up
 * tables.
 */
export async function catalog(db: Db): Promise<string[]> {
  const ours =
    "in ('public'::regnamespace, 'ccx'::regnamespace, 'aggregator'::regnamespace, 'fleet'::regnamespace)";
  const objects = `
    select concat_ws(' ', 'relation', c.oid::regclass, c.relkind, c.reloptions, pg_get_expr(c.relpartbound, c.oid),
      obj_description(c.oid, 'pg_class'), c.relacl) as it
    from pg_class c where c.relnamespace ${ours}
    union all
    select concat_ws(' ', 'column', c.oid::regclass, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull,
      a.attidentity, a.attgenerated, a.attcollation, a.attcompression, pg_get_expr(d.adbin, d.adrelid),
      col_description(c.oid, a.attnum), a.attacl)
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace ${ours}
    union all
    select concat_ws(' ', 'function', pg_get_functiondef(p.oid), obj_description(p.oid, 'pg_proc'), p.proacl)
    from pg_proc p where p.pronamespace ${ours} and p.prokind in ('f', 'p')
    union all
    select concat_ws(' ', 'view', c.oid::regclass, pg_get_viewdef(c.oid))
    from pg_class c where c.relnamespace ${ours} and c.relkind in ('v', 'm')
    union all
    select concat_ws(' ', 'trigger', pg_get_triggerdef(t.oid), t.tgenabled) from pg_trigger t where not t.tgisinternal
    union all
    select concat_ws(' ', 'index', pg_get_indexdef(c.oid))
    from pg_class c where c.relnamespace ${ours} and c.relkind in ('i', 'I')
    union all
    select concat_ws(' ', 'constraint', o.conrelid::regclass, o.conname, pg_get_constraintdef(o.oid))
    from pg_constraint o where o.connamespace ${ours}
    union all
    select concat_ws(' ', 'type', t.oid::regtype, obj_description(t.oid, 'pg_type'), t.typacl)
    from pg_type t where t.typnamespace ${ours}
    union all
    select concat_ws(' ', 'code', o) from ccx.code_object o
    union all
    select concat_ws(' ', 'row', s) from states s
    union all
    select concat_ws(' ', 'row', t) from event_targets t
    union all
    select concat_ws(' ', 'row', t) from notification_types t
    union all
    select concat_ws(' ', 'row', p) from policy p
    order by 1`;
  return (await rows(db, objects)).map(({ it }) => String(it));
}
