import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Pool, PoolClient } from "pg";
import { aCluster, reportAndDecide, rows, value } from "../support/builders.ts";
import { openDatabase, rolledBack } from "../support/database.ts";
import { makeRoles, openLogins } from "../support/role_logins.ts";

// What somebody may try who has the password of one of the roles, and knows PostgreSQL.

let database: Awaited<ReturnType<typeof openDatabase>>;
let logins: Awaited<ReturnType<typeof openLogins>>;
const users = new Map<string, { name: string; pool: Pool }>();
const secret = "the words of a customer";

before(async () => {
  database = await openDatabase();
  await makeRoles(database.url);
  logins = await openLogins(database.url);
  for (const { name } of await rows(database.pool, "select name from ccx.database_role"))
    if (name !== "ccx_owner") users.set(String(name), await logins.login(String(name)));
  const db = await database.pool.connect();
  await reportAndDecide(db, aCluster(), "2026-03-02T12:00:00Z", ["disk"]);
  await db.query("select lo_from_bytea(4711, $1)", [Buffer.from(secret)]);
  db.release();
});
after(async () => {
  await logins[Symbol.asyncDispose]();
  await database.pool.query("select lo_unlink(4711)");
  await database[Symbol.asyncDispose]();
});

/** Each role in a transaction of its own, which is rolled back. */
async function asEach(work: (role: string, db: PoolClient) => Promise<void>): Promise<void> {
  assert.ok(users.size > 7);
  for (const [role, { pool }] of users) await rolledBack(pool, (db) => work(role, db));
}

type Said = { code?: string; message?: string };

/** What the server says to a statement, which is undone; undefined when it is carried out, and `check` passes. */
async function said(
  db: PoolClient,
  sql: string,
  values: unknown[] = [],
  check?: () => Promise<void>,
): Promise<Said | undefined> {
  await db.query("savepoint attempt");
  try {
    await db.query(sql, values);
    await check?.();
    return undefined;
  } catch (error) {
    return error as Said;
  } finally {
    await db.query("rollback to savepoint attempt; release savepoint attempt");
  }
}

/** Functions of ours that run with the rights of the owner, with the types of their arguments. */
const definers = () =>
  rows(
    database.pool,
    `select p.oid::integer as oid, p.oid::regprocedure::text as object, p.pronamespace::regnamespace || '.' || p.proname as name,
       array(select format_type(t, null) from unnest(p.proargtypes) t) as types
     from pg_proc p
     where p.pronamespace in ('public'::regnamespace, 'ccx'::regnamespace) and p.prosecdef
       and p.prorettype <> 'trigger'::regtype
     order by 2`,
  );

/** Those which the role may call. */
async function callable(db: PoolClient) {
  const may = await rows(
    db,
    "select f.oid from unnest($1::integer[]) f (oid) where has_function_privilege(f.oid::oid, 'execute')",
    [(await definers()).map(({ oid }) => oid)],
  );
  const oids = new Set(may.map(({ oid }) => oid));
  return (await definers()).filter(({ oid }) => oids.has(oid)) as { name: string; types: string[] }[];
}

test("no role reads or writes files of the server, runs programs, or changes the server", async () => {
  const superuser = String(await value(database.pool, "select current_user"));
  const other = await database.pool.connect();
  const { processID } = other as unknown as { processID: number };
  const wrong: string[] = [];
  await asEach(async (role, db) => {
    await db.query("create temp table mine (line text)");
    for (const sql of [
      "copy mine from '/etc/hostname'",
      "copy mine to '/tmp/ccx-hostile'",
      "copy mine from program 'id'",
      "copy (select 1) to program 'cat'",
      "select pg_read_file('postgresql.conf')",
      "select pg_read_binary_file('PG_VERSION')",
      "select pg_ls_dir('.')",
      "select pg_ls_logdir()",
      "select pg_stat_file('PG_VERSION')",
      "select lo_import('/etc/hostname')",
      "select lo_export(4711, '/tmp/ccx-hostile')",
      "select lo_get(4711)",
      "select lo_put(4711, 0, 'x')",
      "select lo_unlink(4711)",
      "select loread(lo_open(4711, 262144), 100)",
      "select data from pg_largeobject",
      "load '/tmp/ccx-hostile.so'",
      "create extension file_fdw",
      "create extension dblink",
      "create function pg_temp.c() returns integer language c as '/tmp/ccx-hostile', 'c'",
      "create function pg_temp.i(cstring) returns bytea language internal as 'byteain'",
      "create language plperlu",
      "create server elsewhere foreign data wrapper file_fdw",
      "create publication everything for all tables",
      "create subscription s connection 'host=x' publication p with (connect = false)",
      "create event trigger t on ddl_command_start execute function ccx.tg_guard()",
      "set session_replication_role = replica",
      `set session authorization ${superuser}`,
      `set role ${superuser}`,
      "set local session_preload_libraries = 'x'",
      "create role another superuser",
      `alter role ${users.get(role)?.name} bypassrls`,
      "select pg_reload_conf()",
      "select pg_switch_wal()",
      "select pg_create_physical_replication_slot('hostile')",
      `select pg_terminate_backend(${processID})`,
      `select pg_cancel_backend(${processID})`,
      "update pg_catalog.pg_proc set prosecdef = true",
      "update pg_catalog.pg_class set relrowsecurity = false",
    ]) {
      const answer = await said(db, sql);
      if (!answer || !["42501", "42704"].includes(String(answer.code)))
        wrong.push(`${role}: ${sql}: ${answer?.code} ${answer?.message}`);
    }
  });
  other.release();
  for (const [role, { pool }] of users) {
    const outside = pool.query("alter system set log_statement = 'all'");
    await assert.rejects(outside, { code: "42501" }, role);
  }
  assert.deepEqual(wrong, []);
});

/** In front of every table, view and function of ours something of one's own, which says that it was used. */
async function putInFront(db: PoolClient): Promise<number> {
  await db.query(`create function pg_temp.caught() returns boolean language plpgsql as $$
    begin raise exception 'caught as %', current_user using errcode = 'ZZ001'; end $$`);
  const names = await rows(
    database.pool,
    `select c.relname as name, string_agg(format('null::%s as %I', format_type(a.atttypid, a.atttypmod), a.attname), ', ') as columns
     from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.relnamespace in ('public'::regnamespace, 'ccx'::regnamespace) and c.relkind in ('r', 'p', 'v')
     group by c.relname
     union all
     select v.name, v.columns from (values
       ('pg_class', 'null::oid as oid, null::name as relname, null::oid as relnamespace'),
       ('pg_stat_activity', 'null::integer as pid, null::text as query')) v (name, columns)`,
  );
  for (const { name, columns } of names)
    await db.query(`create temp view ${name} as select ${columns} where pg_temp.caught()`);
  const routines = await rows(
    database.pool,
    `select distinct p.proname as name, pg_get_function_identity_arguments(p.oid) as arguments
     from pg_proc p where p.pronamespace in ('public'::regnamespace, 'ccx'::regnamespace) and p.prokind = 'f'
       and p.prorettype <> 'trigger'::regtype and p.pronargs > 0
       and not coalesce(p.proargmodes && '{o,b}'::"char"[], false)`,
  );
  for (const { name, arguments: args } of routines)
    await db.query(
      `create function pg_temp.${name}(${args}) returns boolean language sql as 'select pg_temp.caught()'`,
    );
  await db.query("set local search_path = pg_temp, public, ccx, pg_catalog");
  return names.length + routines.length;
}

/** A call with a value for each argument. */
const call = (name: string, types: string[]) =>
  `select from ${name}(${types.map((type, nth) => `$${nth + 1}::${type}`).join(", ")})`;

const samples: Record<string, string> = {
  bigint: "1",
  text: "new_reports",
  date: "2020-01-02",
  bytea: "x",
  "timestamp with time zone": "2020-01-02T00:00:00Z",
  "bigint[]": "{1}",
  "text[]": "{a}",
  "settled_notification[]": "{}",
};

test("nothing that a role puts in front of our tables and functions is used with the rights of the owner", async () => {
  await database.pool.query(`create function careless() returns bigint language plpgsql security definer
    as $$ begin return (select count(*) from issue); end $$`);
  const superuser = await value(database.pool, "select current_user");
  let called = 0;
  const wrong: string[] = [];
  await asEach(async (role, db) => {
    assert.ok((await putInFront(db)) > 200);
    const found = await said(db, "select public.careless()");
    assert.deepEqual(
      [found?.code, found?.message],
      ["ZZ001", `caught as ${superuser}`],
      "what it is to find",
    );
    for (const { name, types } of await callable(db)) {
      if (name === "public.careless") continue;
      called++;
      const args = types.map((type) => samples[type]);
      assert.ok(!args.includes(undefined), `a sample for ${types.join(", ")}`);
      const answer = await said(db, call(name, types), args);
      if (answer?.code === "ZZ001") wrong.push(`${role}: ${name}: ${answer.message}`);
    }
  });
  await database.pool.query("drop function careless()");
  assert.deepEqual(wrong, []);
  assert.ok(called > 20, `${called} calls`);
});

/** Everything that a statement which slipped in could change. */
const schema = `select md5(concat(
  (select string_agg(concat_ws(' ', c.oid, c.relname, c.relowner, c.relacl, c.relrowsecurity), ',' order by c.oid)
    from pg_class c where c.relnamespace <> 'pg_toast'::regnamespace and c.relname !~ '_[0-9]{6,8}'
      and c.relname not like '%hostile%'),
  (select string_agg(concat_ws(' ', p.oid, p.proowner, p.proacl, p.prosecdef, md5(p.prosrc)), ',' order by p.oid) from pg_proc p),
  (select string_agg(concat_ws(' ', r.oid, r.rolsuper, r.rolbypassrls), ',' order by r.oid) from pg_roles r
    where r.rolname not like 'ccx\\_login\\_%'))) as hash`;

const texts = [
  "",
  "'",
  '"',
  "\\",
  "%s%I%L$1",
  "$$",
  "new_reports'; drop table public.issue; --",
  'new_reports"; drop table public.issue; --',
  "new_reports_default",
  "public.new_reports",
  "pg_catalog.pg_class",
  "organization_reader",
  "..\\..\\etc\\passwd",
  "(a|a)*(a|a)*(a|a)*$",
  "((((a+)+)+)+)+!",
  "a".repeat(100_000),
  "\u202e\u0301\ufeff",
];
const hostile: Record<string, (string | null)[]> = {
  text: [...texts, null],
  bigint: ["-9223372036854775808", "9223372036854775807", "0", null],
  date: ["infinity", "-infinity", "5874897-12-31", "4713-01-01 BC", null],
  "timestamp with time zone": [
    "infinity",
    "-infinity",
    "294276-12-31T23:59:59Z",
    "9999-01-01T00:00:00Z",
    null,
  ],
  bytea: ["", "\\x00", "x".repeat(100_000), null],
  "bigint[]": ["{}", "{null}", `{${Array.from({ length: 10_000 }, (_, nth) => nth).join(",")}}`, null],
  "text[]": ["{}", "{null}", `{"'","\\"","%I","(a+)+$"}`, null],
  "settled_notification[]": ["{}", "{null}", null],
};

test("no argument of a function that runs with the rights of the owner becomes a statement, or takes for ever", async () => {
  const wrong: string[] = [];
  let called = 0;
  await asEach(async (role, db) => {
    await db.query("set local statement_timeout = '60s'");
    const before = await value(db, schema);
    const unchanged = async () => assert.equal(await value(db, schema), before, "the schema has changed");
    for (const { name, types } of await callable(db))
      for (const [place, type] of types.entries())
        for (const given of hostile[type] ?? assert.fail(`nothing hostile of type ${type}`)) {
          called++;
          const args = types.map((other, nth) => (nth === place ? given : samples[other]));
          const answer = await said(db, call(name, types), args, unchanged);
          const shown = `${role}: ${name}(${args.map((arg) => String(arg).slice(0, 40)).join(", ")})`;
          // 22: a value of the wrong form; NT: a rule of ours; 55P03: somebody else is at it
          if (answer && !/^(22|NT|55P03)/.test(String(answer.code)))
            wrong.push(`${shown}: ${answer.code} ${answer.message}`);
        }
  });
  assert.deepEqual(wrong, []);
  assert.ok(called > 100, `${called} calls`);
});

test("no role deletes what is kept by naming a time at which it would be past", async () => {
  const kept = "select (select count(*) from new_reports) + (select count(*) from notified_issue) as n";
  const before = await value(database.pool, kept);
  assert.notEqual(before, "0");
  let tried = 0;
  await asEach(async (_role, db) => {
    for (const { name } of await callable(db)) {
      if (name !== "public.retain") continue;
      tried++;
      for (const at of ["2100-01-01T00:00:00Z", "infinity"])
        assert.equal((await said(db, "select from retain($1)", [at]))?.code, "NTR06");
      assert.equal(await said(db, "select from retain()"), undefined);
    }
  });
  assert.equal(tried, 2);
  assert.equal(await value(database.pool, kept), before);
});

test("who watches the service sees how long transactions of others are open, and not what they ask", async () => {
  const other = await database.pool.connect();
  try {
    await other.query("begin");
    await other.query(`select '${secret}'`);
    const { processID } = other as unknown as { processID: number };
    await asEach(async (role, db) => {
      const seen = await rows(
        db,
        "select pg_has_role('ccx_metrics', 'usage') as watches, pg_has_role('pg_read_all_stats', 'usage') as all_stats",
      );
      assert.equal(seen[0]?.all_stats, false, role);
      const texts = await rows(db, "select a::text as line from pg_stat_activity a");
      assert.ok(!texts.some(({ line }) => String(line).includes(secret)), role);
      const answer = await said(db, "select from sessions");
      assert.equal(answer?.code, seen[0]?.watches ? undefined : "42501", role);
      if (!seen[0]?.watches) return;
      const [session] = await rows(
        db,
        "select state, transaction_since is not null as open, s::text as line from sessions s where pid = $1",
        [processID],
      );
      assert.deepEqual([session?.state, session?.open], ["idle in transaction", true], role);
      assert.ok(!String(session?.line).includes(secret));
      assert.ok(Number(await value(db, "select sessions from metrics_postgres")) > 0);
    });
  } finally {
    await other.query("rollback");
    other.release();
  }
});
