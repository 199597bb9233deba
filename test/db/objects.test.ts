import assert from "node:assert/strict";
import { glob, readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { rows } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";

const database = testDatabase();
const sql = path.join(import.meta.dirname, "../../sql");

/** Not of an extension, no partition. */
const ours = (catalog: string, oid: string) => `not exists (
  select from pg_depend where classid = '${catalog}'::regclass and objid = ${oid} and deptype = 'e')`;

const names = async (query: string) => (await rows(database.pool, query)).map(({ name }) => name);

test("every table, view and type has a comment", async () => {
  const bare = `select c.oid::regclass as name from pg_class c
    where c.relnamespace in ('public'::regnamespace, 'ccx'::regnamespace, 'aggregator'::regnamespace, 'fleet'::regnamespace) and c.relkind in ('r', 'p', 'v', 'm', 'c', 'f')
      and not (c.relispartition and c.relname ~ '_[0-9]{8}$') and ${ours("pg_class", "c.oid")}
      and coalesce(obj_description(case c.relkind when 'c' then c.reltype else c.oid end,
        case c.relkind when 'c' then 'pg_type' else 'pg_class' end), '') = ''`;
  assert.deepEqual(await names(bare), []);
});

test("every column of a table, view or type has a comment", async () => {
  const bare = `select c.relname || '.' || a.attname as name from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace in ('public'::regnamespace, 'ccx'::regnamespace, 'aggregator'::regnamespace, 'fleet'::regnamespace) and c.relkind in ('r', 'p', 'v', 'm', 'c', 'f')
      and not c.relispartition and ${ours("pg_class", "c.oid")}
      and coalesce(col_description(c.oid, a.attnum), '') = ''
    order by 1`;
  assert.deepEqual(await names(bare), []);
});

const functions = `from pg_proc p join pg_language l on l.oid = p.prolang
  where p.pronamespace in ('public'::regnamespace, 'ccx'::regnamespace) and ${ours("pg_proc", "p.oid")}`;

test("columns of a fixed width come first in the tables that grow most, the widest before all others", async () => {
  const { rows } = await database.pool.query(
    `select c.relname as table, string_agg(
         case when a.attlen < 0 then 'varying' when a.attlen > 8 then '8' else a.attlen::text end,
         ' ' order by a.attnum) as widths
     from pg_class c
     join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.oid in ('notification'::regclass, 'notified_issue'::regclass, 'issue'::regclass)
     group by c.relname`,
  );
  assert.equal(rows.length, 3);
  // so no row has gaps: a column begins where its own width divides its place
  for (const { table, widths } of rows) assert.match(widths, /^(8 )+(4 )*(1 )*(varying ?)+$/, table);
});

test("every function has a comment", async () => {
  assert.deepEqual(
    await names(
      `select p.oid::regprocedure as name ${functions} and coalesce(obj_description(p.oid, 'pg_proc'), '') = ''`,
    ),
    [],
  );
});

test("a comment is one line, so that \\d+ and \\df+ can be read", async () => {
  const long = `select name, length(comment) as length from (
      select c.oid::regclass::text || coalesce('.' || a.attname, '') as name,
        case when a.attnum is null then obj_description(c.oid, 'pg_class') else col_description(c.oid, a.attnum) end as comment
      from pg_class c
      left join lateral (
        select attname, attnum from pg_attribute where attrelid = c.oid and attnum > 0
        union all
        select null, null) a on true
      where c.relnamespace in ('public'::regnamespace, 'ccx'::regnamespace, 'aggregator'::regnamespace, 'fleet'::regnamespace)
      union all
      select p.oid::regprocedure::text, obj_description(p.oid, 'pg_proc') ${functions}) commented
    where comment ~ '\\n' or length(comment) > 250
    order by 1`;
  assert.deepEqual(await rows(database.pool, long), []);
});

test("no function depends on the caller's search path", async () => {
  // what is parsed when it is created (return …, begin atomic) names its objects once and for all
  const dependent = `select p.oid::regprocedure as name ${functions} and p.prosqlbody is null
    and not coalesce(p.proconfig::text, '') like '%search_path=public, ccx, pg_temp%'`;
  assert.deepEqual(await names(dependent), []);
});

test("every function says how volatile it is", async () => {
  for await (const file of glob("*/**/*.sql", { cwd: sql })) {
    const text = await readFile(path.join(sql, file), "utf8");
    const headers = text.matchAll(/^create or replace function .*?^(?:as \$\$|begin atomic|return )/gms);
    for (const [header] of headers)
      assert.match(header, /^language .*\b(immutable|stable|volatile)\b/m, file);
  }
});

test("what writes or sees the clock is volatile, what reads tables is not immutable", async () => {
  const unsteady = `select p.proname as name ${functions} and p.provolatile <> 'v'
    and replace(pg_get_functiondef(p.oid), 'DEFAULT now()', '') ~* '\\m(insert|update|delete|now|random|clock_timestamp|nextval|current_timestamp)\\M'`;
  assert.deepEqual(await names(unsteady), []);
  // these take rows, and read none
  const readers = `select distinct p.proname as name ${functions} and p.provolatile = 'i'
    and p.proname <> all ('{silence_matches,filter_lets_through,policy_reasons,hold_reasons}') and exists (
    select from pg_depend d join pg_class c on c.oid = d.refobjid and c.relkind in ('r', 'p', 'v')
    where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.refclassid = 'pg_class'::regclass)`;
  assert.deepEqual(await names(readers), []);
});

test("only triggers of what others write, of references, wake-ups and narrow doors run with their owner's rights", async () => {
  const doors = [
    ...["drop_empty_messages", "ensure_partition", "forget", "import_reported", "open_sessions"],
    ...[
      "preview_forget",
      "preview_retention",
      "results_token",
      "retain",
      "split_too_large",
      "withdraw_policy",
    ],
  ];
  const definers = await names(`select p.proname as name ${functions} and p.prosecdef order by 1`);
  assert.deepEqual(
    definers.filter((name) => !doors.includes(String(name))),
    [
      "tg_acknowledgement__emptied",
      "tg_cluster_rule_toggle__acknowledgement",
      "tg_decision_request__wake",
      "tg_mirror_to_incumbent",
      "tg_new_reports__issues",
      "tg_new_reports__kept",
      "tg_new_reports__spelling",
      "tg_notified_issue__referred",
      "tg_notified_issue__refers",
      "tg_recommendation__stored",
      "tg_report__stored",
      "tg_report_info__stored",
      "tg_reported__elsewhere",
      "tg_rule_disable__acknowledgement",
      "tg_user_feedback__stored",
      "tg_wake_up__send",
    ],
  );
  const called = `select p.proname as name ${functions} and p.prosecdef and p.prorettype <> 'trigger'::regtype`;
  assert.deepEqual(await names(`${called} order by 1`), doors);
  // triggers, too: whoever may call one can attach it to a table of his own, with rows of his own
  const open = `select p.proname as name ${functions} and p.prosecdef and exists (
    select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee = 0)`;
  assert.deepEqual(await names(open), [], "nobody can call or attach one of them unless a role may");
  const views = `select c.relname as name from pg_class c
    where c.relnamespace in ('public'::regnamespace, 'ccx'::regnamespace, 'aggregator'::regnamespace, 'fleet'::regnamespace) and c.relkind = 'v' and ${ours("pg_class", "c.oid")}
      and not coalesce('security_invoker=true' = any (c.reloptions), false)`;
  assert.deepEqual(await names(views), []);
});

test("every file of sql/ is listed once, by the index of its room", async () => {
  const files = (await Array.fromAsync(glob("**/*.sql", { cwd: sql }))).map((file) =>
    file.replaceAll(path.sep, "/"),
  );
  const listed: string[] = [];
  for (const index of files.filter((file) => path.basename(file) === "index.sql")) {
    const text = await readFile(path.join(sql, index), "utf8");
    const names = [...text.matchAll(/^--!include (\S+)$/gm)].map(([, file]) => file as string);
    if (index !== "index.sql") assert.deepEqual([...new Set(names.map(path.dirname))], [path.dirname(index)]);
    listed.push(...names);
  }
  assert.deepEqual(listed.toSorted(), files.filter((file) => file !== "index.sql").toSorted());
});

test("a file of sql/ is called after the one object it creates", async () => {
  const creates =
    /^ *create (?:or replace )?(?:constraint )?(?:function|procedure|view|materialized view|table|index|trigger|type|role|aggregate) (?:if not exists )?(?:ccx\.|aggregator\.|fleet\.)?(\w+)/gim;
  for await (const file of glob("*/**/*.sql", { cwd: sql })) {
    const text = await readFile(path.join(sql, file), "utf8");
    const created = new Set([...text.matchAll(creates)].map(([, name]) => name));
    const name = path.basename(file, ".sql");
    assert.deepEqual([...created], ["index", "tables"].includes(name) ? [] : [name], file);
  }
});

test("every foreign key says what happens when its row goes", async () => {
  const texts = await Array.fromAsync(
    glob("*.sql", { cwd: path.join(import.meta.dirname, "../../migrations/committed") }),
    (file) => readFile(path.join(import.meta.dirname, "../../migrations/committed", file), "utf8"),
  );
  const silent = texts
    .flatMap((text) => text.split("\n"))
    .filter((line) => /\breferences \w+(?!.*on delete)/.test(line));
  assert.deepEqual(silent, []);
});

test("no function has a setting of ours in its head, which only superusers may create", async () => {
  const settings = "(select from unnest(p.proconfig) c where c like 'ccx.%')";
  assert.deepEqual(await names(`select p.proname as name ${functions} and exists ${settings}`), []);
});
