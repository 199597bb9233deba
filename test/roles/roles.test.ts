import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import type { Pool, PoolClient } from "pg";
import { roleChanges } from "../../src/db/roles.ts";
import { type Row, rows, value } from "../support/builders.ts";
import { runCcx } from "../support/command.ts";
import { openDatabase, rolledBack } from "../support/database.ts";
import { makeRoles, openLogins } from "../support/role_logins.ts";

let database: Awaited<ReturnType<typeof openDatabase>>;
let logins: Awaited<ReturnType<typeof openLogins>>;
/** A user in each role, by the role. */
const users = new Map<string, Pool>();
const user = (role: string): Pool => {
  const pool = users.get(role);
  assert.ok(pool, role);
  return pool;
};

before(async () => {
  database = await openDatabase();
  await makeRoles(database.url);
  logins = await openLogins(database.url);
  for (const { name } of await rows(database.pool, "select name from ccx.database_role"))
    if (name !== "ccx_owner") users.set(String(name), (await logins.login(String(name))).pool);
  await makeRoles(database.url); // the timeouts of the users
});
after(async () => {
  await logins[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

/** What the server says to a statement: undefined when it is carried out. */
async function answer(db: PoolClient, sql: string): Promise<string | undefined> {
  try {
    await db.query(`savepoint attempt; ${sql}`);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    await db.query("rollback to savepoint attempt; release savepoint attempt");
  }
}

/** Whether the right itself is missing: a condition of a row, or another table, is no matter of it. */
const isDenied = (said: string | undefined, name: string) =>
  said !== undefined &&
  new RegExp(`^permission denied for \\w+( \\w+)? ${name.replace(/^.*\./, "")}$`).test(said);

test("every table has an entry in the matrix, and one with organizations a condition", async () => {
  const tables = `select c.oid::regclass::text as name from pg_class c
    where c.relnamespace in ('public'::regnamespace, 'ccx'::regnamespace) and c.relkind in ('r', 'p')
      and not c.relispartition`;
  const missing = await rows(
    database.pool,
    `${tables} and c.oid not in (select to_regclass(name) from ccx.table_right where to_regclass(name) is not null)`,
  );
  assert.deepEqual(missing, [], "sql/roles/table_right.sql has to say who may use them");
  const gone = "select distinct name from ccx.table_right where to_regclass(name) is null";
  assert.deepEqual(await rows(database.pool, gone), []);
  const open = await rows(
    database.pool,
    `${tables} and exists (
        select from pg_attribute a where a.attrelid = c.oid and a.attname in ('org_id', 'issue_id', 'cluster', 'cluster_id')
          and not a.attisdropped)
      and c.oid not in (select to_regclass(name) from ccx.organization_policy)`,
  );
  assert.deepEqual(open, [], "sql/roles/organization_policy.sql has to say whose their rows are");
});

test("once the roles are made nothing is left to do, and a second time does nothing", async () => {
  const { stdout } = await runCcx(["roles", "script"], { DATABASE_URL: database.url });
  const left = stdout
    .split("\n")
    .filter((line) => line !== "" && !isOfOthers(line) && !line.startsWith("set "));
  assert.deepEqual(left, []);
  const before = await value(database.pool, "select pg_current_wal_insert_lsn()::text");
  await makeRoles(database.url);
  assert.deepEqual(await changesOf(database.pool), []);
  assert.ok(before);
});

test("what somebody gives or takes by hand is set right again", async () => {
  await database.pool.query(`grant delete on notified_issue to ccx_decide; revoke select on issue from ccx_reader;
    drop policy ccx_reader on notification; grant select on new_reports_default to ccx_reader`);
  await toPublic(database.pool);
  const changes = await changesOf(database.pool);
  assert.deepEqual(
    changes.map(({ statement }) => String(statement).split("\n")[0]?.slice(0, 60)),
    [
      "revoke create on schema ccx from public",
      "create policy ccx_reader on public.notification as restricti",
      "grant SELECT on table public.issue to ccx_reader",
      "revoke DELETE on table public.notified_issue from ccx_decide",
      "revoke EXECUTE on function results_token(bytea,timestamp with time zone) from public",
      "revoke EXECUTE on function retain(timestamp with time zone) from public",
      "revoke SELECT on table public.api_token from public",
      "revoke SELECT on table public.new_reports_default from ccx_reader",
      "revoke SELECT(org_id) on table public.new_reports_20200518 from public",
      "revoke USAGE on sequence public.notification_id_seq from public",
    ].map((text) => text.slice(0, 60)),
  );
  const doctor = await rows(database.pool, "select finding from doctor where topic = 'privileges'");
  assert.match(String(doctor[0]?.finding), /^the roles lack \d+ statements/);
  await makeRoles(database.url);
  assert.deepEqual(await changesOf(database.pool), []);
  await database.pool.query("drop table of_the_site");
});

test("a role of PostgreSQL that reaches beyond the matrix is taken from ours again", () =>
  // others share the roles of the server, and do not see this
  rolledBack(database.pool, async (db) => {
    await db.query("grant pg_read_all_data to ccx_metrics");
    const changes = async () =>
      (await roleChanges(db)).map(({ statement }) => statement).filter((statement) => !isOfOthers(statement));
    assert.deepEqual(await changes(), ["revoke pg_read_all_data from ccx_metrics"]);
    await db.query("revoke pg_read_all_data from ccx_metrics");
    assert.deepEqual(await changes(), []);
  }));

test("a right that a login has by itself is left to it, and named with what takes it", async () => {
  const { pool } = database;
  const [alice, bob] = [(await logins.login()).name, (await logins.login("ccx_reader")).name];
  await pool.query(`grant insert, select (id), update (reason) on policy to ${alice}; grant insert on reported to ${alice};
    grant select on new_reports to ${alice} with grant option; grant usage on sequence notification_id_seq to ${alice};
    grant execute on function retain(timestamptz) to ${alice}; grant create on schema ccx to ${bob};
    create table of_the_site (id bigint); grant select on of_the_site to ${alice};
    set role ${alice}; grant select on new_reports to ${bob}; reset role`);
  await makeRoles(database.url);
  const listed =
    "select grantee, object, rights, is_foreseen, statement from ccx.other_right order by statement";
  const found = await rows(pool, listed);
  const names = (text: unknown) => String(text).replaceAll(alice, "alice").replaceAll(bob, "bob");
  assert.deepEqual(
    found.map((row) => [names(row.grantee), row.object, row.rights, row.is_foreseen, names(row.statement)]),
    [
      ["bob", "ccx", "CREATE", false, "revoke CREATE on schema ccx from bob"],
      [
        "alice",
        "retain(timestamp with time zone)",
        "EXECUTE",
        false,
        "revoke EXECUTE on function retain(timestamp with time zone) from alice",
      ],
      ["alice", "public.reported", "INSERT", true, "revoke INSERT on table public.reported from alice"],
      [
        "alice",
        "public.policy",
        "INSERT, SELECT(id), UPDATE(reason)",
        false,
        "revoke INSERT, SELECT(id), UPDATE(reason) on table public.policy from alice",
      ],
      [
        "alice",
        "public.new_reports",
        "SELECT",
        false,
        "revoke SELECT on table public.new_reports from alice cascade",
      ],
      [
        "alice",
        "public.notification_id_seq",
        "USAGE",
        false,
        "revoke USAGE on sequence public.notification_id_seq from alice",
      ],
      [
        "bob",
        "public.new_reports",
        "SELECT",
        false,
        "revoke grant option for SELECT on table public.new_reports from alice cascade",
      ],
    ],
  );
  const privileges =
    "select severity, finding, what_to_do from doctor where topic = 'privileges' order by finding";
  const said = (await rows(pool, privileges))
    .map((row) => `${row.severity}: ${names(row.finding)}; ${names(row.what_to_do)}`)
    .filter((text) => /alice|bob/.test(text))
    .sort();
  assert.deepEqual(
    said.map((text) => text.split(";")[0]),
    [
      "warning: alice has rights of its own on 4 objects, among them SELECT on public.new_reports",
      "warning: bob has rights of its own on 2 objects, among them CREATE on ccx",
    ],
  );
  assert.match(
    said[0] ?? "",
    /: revoke SELECT on table public.new_reports from alice cascade; all of them: select \* from ccx.other_right where grantee = 'alice'$/,
  );
  for (const { statement, is_foreseen } of found) if (!is_foreseen) await pool.query(String(statement));
  assert.deepEqual(
    (await rows(pool, listed)).map(({ object }) => object),
    ["public.reported"],
  );
  await pool.query(`drop table of_the_site; revoke insert on reported from ${alice}`);
});

/** What somebody gives everybody, in haste or by `create or replace` in another way than ours. */
const toPublic = (pool: Pool) =>
  pool.query(`select ccx.ensure_partition('new_reports', '2020-05-18');
    grant select on api_token to public; grant select (org_id) on new_reports_20200518 to public;
    grant usage on sequence notification_id_seq to public; grant create on schema ccx to public;
    grant execute on function retain(timestamptz) to public;
    alter function results_token(bytea, timestamptz) rename to was;
    create function ccx.results_token(token_hash bytea, at timestamptz default now())
      returns table (org_id text, user_id text) language sql security definer as 'select null, null';
    alter function ccx.results_token(bytea, timestamptz) owner to ccx_owner; drop function was(bytea, timestamptz);
    grant execute on function ccx.results_token(bytea, timestamptz) to ccx_results;
    create table of_the_site (id bigint); grant select on of_the_site to public`);

/** These are in the role ccx_metrics. */
const watchers = new Set(["ccx_ingest", "ccx_decide", "ccx_deliver", "ccx_operator", "ccx_console"]);

/** What the roles of a database lack. */
const changesOf = async (pool: Pool): Promise<Row[]> =>
  (await rows(pool, "select statement from ccx.role_change order by position")).filter(
    ({ statement }) => !isOfOthers(statement),
  );

/** Users of tests that run beside this one are in the same roles. */
const isOfOthers = (statement: unknown) =>
  /^alter role ccx_login_/.test(String(statement)) &&
  !String(statement).includes(`ccx_login_${process.pid}_`);

const acts = { r: "select", a: "insert", w: "update", d: "delete" } as const;

test("each role may do what the matrix says with each table and column, and nothing else", async () => {
  const tables = await rows(
    database.pool,
    `select name, jsonb_object_agg(role, letters) as rights from ccx.table_right group by name order by name`,
  );
  const allColumns = Map.groupBy(
    await rows(
      database.pool,
      `select t.name as table, attname as name, attgenerated <> '' or attidentity = 'a' as is_fixed
       from (select distinct name from ccx.table_right) t join pg_attribute on attrelid = t.name::regclass
       where attnum > 0 and not attisdropped`,
    ),
    ({ table }) => String(table),
  );
  const wrong: string[] = [];
  let tried = 0;
  for (const [role, pool] of users)
    await rolledBack(pool, async (db) => {
      for (const { name, rights } of tables) {
        const table = String(name);
        const letters = (of: string) => String((rights as Row)[of]);
        const given = new Map(
          [...letters(role).matchAll(/([rawd])(?:\(([^)]*)\))?/g)].map(([, letter, columns]) => [
            letter,
            columns?.split(", ").map((column) => column.trim()),
          ]),
        );
        const columns = allColumns.get(table) ?? assert.fail(table);
        const attempt = async (letter: keyof typeof acts, sql: string, mayBe: boolean) => {
          tried++;
          const denied = isDenied(await answer(db, sql), table);
          if (denied === mayBe) wrong.push(`${role} ${mayBe ? "may not" : "may"}: ${sql} (${letter})`);
        };
        await attempt("a", `insert into ${table} default values`, given.has("a"));
        await attempt("d", `delete from ${table} where false`, given.has("d"));
        await attempt("d", `truncate ${table}`, false);
        for (const { name: column, is_fixed } of columns) {
          const may = (letter: string) =>
            (given.has(letter) && (given.get(letter)?.includes(String(column)) ?? true)) ||
            // what its role ccx_metrics may read
            (letter === "r" &&
              watchers.has(role) &&
              /^r$|^r\(.*\b/.test(letters("ccx_metrics")) &&
              (letters("ccx_metrics") === "r" ||
                letters("ccx_metrics")
                  .split(/[(), ]+/)
                  .includes(String(column))));
          await attempt("r", `select ${column} from ${table} limit 0`, may("r"));
          if (!is_fixed) await attempt("w", `update ${table} set ${column} = default`, may("w"));
        }
      }
    });
  assert.deepEqual(wrong, []);
  assert.ok(tried > 4_000, `${tried} tries`);
});

test("no role reads or writes a day directly, also not one that is made later", async () => {
  await user("ccx_ingest").query("select ccx.ensure_partition('new_reports', '2020-05-17')");
  const days = await rows(
    database.pool,
    "select inhrelid::regclass::text as name from pg_inherits where inhparent in ('new_reports'::regclass, 'reported'::regclass)",
  );
  assert.ok(days.some(({ name }) => name === "new_reports_20200517"));
  const open: string[] = [];
  for (const [role, pool] of users)
    await rolledBack(pool, async (db) => {
      for (const { name } of days)
        for (const sql of [
          `select from ${name}`,
          `insert into ${name} default values`,
          `update ${name} set org_id = 1`,
          `delete from ${name}`,
          `drop table ${name}`,
          `copy ${name} to stdout`,
        ])
          if ((await answer(db, sql)) === undefined) open.push(`${role}: ${sql}`);
    });
  assert.deepEqual(open, []);
  // a right that somebody gives by mistake, or by default privileges, opens no rows either
  await database.pool.query(
    "insert into new_reports (org_id, cluster, report, updated_at) values (1, 'a', '', '2020-05-17 12:00Z')",
  );
  await database.pool.query("grant select on new_reports_20200517 to ccx_decide");
  assert.equal(await value(user("ccx_decide"), "select count(*)::integer from new_reports_20200517"), 0);
  assert.equal(await value(user("ccx_decide"), "select count(*)::integer from new_reports"), 1);
  await database.pool.query(
    "revoke select on new_reports_20200517 from ccx_decide; delete from latest_report; set ccx.rewrite_history = on; delete from new_reports",
  );
});

test("views, sequences, schemas and functions of the owner are for those whom the matrix names", async () => {
  const wanted = await rows(
    database.pool,
    "select kind, object, role, privilege from ccx.wanted_right where kind in ('table', 'sequence', 'function')",
  );
  const has = (kind: string, object: unknown, role: string, privilege: string) =>
    wanted.some(
      (right) =>
        right.kind === kind &&
        right.object === object &&
        right.role === role &&
        right.privilege === privilege,
    ) ||
    // what its role ccx_metrics has
    (watchers.has(role) &&
      wanted.some(
        (right) =>
          right.kind === kind &&
          right.object === object &&
          right.role === "ccx_metrics" &&
          right.privilege === privilege,
      ));
  const relations = await rows(
    database.pool,
    `select format('%I.%I', n.nspname, c.relname) as object, c.relkind as kind
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname in ('public', 'ccx', 'graphile_worker') and c.relkind in ('v', 'S')
       or n.nspname in ('graphile_worker', 'graphile_migrate') and c.relkind = 'r'`,
  );
  const definers = await rows(
    database.pool,
    `select p.oid::regprocedure::text as object, array_to_string(array(
        select 'null::' || format_type(t, null) from unnest(p.proargtypes) t), ', ') as arguments
     from pg_proc p where p.pronamespace in ('public'::regnamespace, 'ccx'::regnamespace) and p.prosecdef
       and p.prorettype <> 'trigger'::regtype`,
  );
  const wrong: string[] = [];
  for (const [role, pool] of users)
    await rolledBack(pool, async (db) => {
      for (const { object, kind } of relations) {
        const name = String(object);
        const read = await answer(
          db,
          kind === "S" ? `select last_value from ${name}` : `select from ${name} limit 0`,
        );
        const mayRead =
          kind === "S" ? has("sequence", name, role, "SELECT") : has("table", name, role, "SELECT");
        const isShut = read?.startsWith("permission denied for schema") || isDenied(read, name);
        if (kind === "S" ? isShut && mayRead : isShut === mayRead)
          wrong.push(`${role} reads ${name}: ${read}`);
        if (kind !== "S") continue;
        const next = await answer(db, `select nextval('${name}')`);
        const mayTake = has("sequence", name, role, "USAGE");
        if ((next === undefined) !== mayTake) wrong.push(`${role} takes from ${name}: ${next}`);
      }
      for (const { object, arguments: values } of definers) {
        const name = String(object).replace(/\(.*/, "");
        const said = await answer(db, `select ${name}(${values})`);
        if (isDenied(said, name) === has("function", object, role, "EXECUTE"))
          wrong.push(`${role} calls ${object}: ${said}`);
      }
      for (const sql of [
        "create table public.mine (a integer)",
        "create function ccx.mine() returns integer language sql return 1",
        "create schema mine",
        "alter table issue disable row level security",
        "alter table notified_issue disable trigger all",
        "drop policy ccx_reader on issue",
        "set role ccx_owner",
        "alter function ccx.retain(timestamptz) security invoker",
        "grant ccx_operator to current_user",
        "insert into organization_reader values (current_user, null)",
        "update organization_reader set org_id = null",
        "set local row_security = off; select org_id from issue",
      ])
        if (
          (await answer(db, sql)) === undefined &&
          !(sql.startsWith("set local row_security") && !narrowed.has(role))
        )
          wrong.push(`${role}: ${sql}`);
    });
  assert.deepEqual(wrong, []);
});

const narrowed = new Set(["ccx_reader", "ccx_results", "ccx_console"]);

test("nobody can attach a trigger that runs with the owner's rights to a table of his own", async () => {
  const triggers = await rows(
    database.pool,
    `select p.oid::regprocedure::text as name from pg_proc p
     join pg_namespace n on n.oid = p.pronamespace and n.nspname not in ('pg_catalog', 'information_schema')
     where p.prosecdef and p.prorettype = 'trigger'::regtype`,
  );
  assert.ok(triggers.length > 10);
  const { pool: nobody } = await logins.login();
  const wrong: string[] = [];
  for (const [role, pool] of [...users, ["nobody", nobody] as const])
    await rolledBack(pool, async (db) => {
      await db.query("create temp table mine (org_id text, cluster_id text, rule_id text, error_key text)");
      for (const { name } of triggers) {
        const attach = `create trigger mine after insert on mine for each row execute function ${name}`;
        const said = await answer(db, attach);
        if (!said?.startsWith("permission denied for ")) wrong.push(`${role}: ${attach}: ${said}`);
      }
    });
  assert.deepEqual(wrong, []);
});

test("the ledger, the outbox and policies cannot be deleted from, nor what was decided rewritten", async () => {
  for (const [role, pool] of users)
    await rolledBack(pool, async (db) => {
      await db.query("set local ccx.rewrite_history = on");
      for (const sql of [
        "delete from notified_issue",
        "update notified_issue set notified_at = now() - interval '1 year'",
        "update notified_issue set notification_id = 1",
        "update notified_issue set issue_id = 1",
        "delete from notification",
        "update notification set org_id = 1",
        "update notification set message_id = gen_random_uuid()",
        "delete from policy",
        "update policy set cooldown = '0'",
        "update policy set reason = 'another one'",
        "delete from silence",
        "delete from withdrawn_policy",
        "delete from rule_content",
      ])
        assert.match(String(await answer(db, sql)), /^permission denied/, `${role}: ${sql}`);
    });
});

test("whoever is on call, in ccx_operator, may ask every query of the runbook and of operations", async () => {
  const read = (page: string) => readFile(new URL(`../../docs/${page}`, import.meta.url), "utf8");
  const text = (await read("runbook.md")) + (await read("guides/operations.md"));
  const queries = [
    ...[...text.matchAll(/^```sql\n((?:select|with) [\s\S]*?)```$/gm)].map(([, query = ""]) => query),
    ...[...text.matchAll(/`(select\s[^`]*\sfrom\s[^`]*)`/g)].map(([, query = ""]) => query),
  ];
  assert.ok(queries.length > 40, `${queries.length} queries`);
  const refused: string[] = [];
  await rolledBack(user("ccx_operator"), async (db) => {
    for (const query of queries) {
      const said = await answer(db, query);
      if (said !== undefined) refused.push(`${query}: ${said}`);
    }
  });
  assert.deepEqual(refused, []);
});

test("each role has its timeouts, and so has a user in it", async () => {
  const settings = `select r.name, 'statement_timeout' as setting, r.statement_timeout as wanted from ccx.database_role r
    union all select r.name, 'lock_timeout', r.lock_timeout from ccx.database_role r
    union all select r.name, 'idle_in_transaction_session_timeout', r.idle_timeout from ccx.database_role r`;
  const set = await rows(
    database.pool,
    `select w.* from (${settings}) w where not exists (
      select from pg_db_role_setting s join pg_roles r on r.oid = s.setrole and r.rolname = w.name
      where s.setdatabase = (select oid from pg_database where datname = current_database())
        and w.setting || '=' || w.wanted = any (s.setconfig))`,
  );
  assert.deepEqual(set, []);
  const reader = await logins.login("ccx_reader");
  await makeRoles(database.url);
  assert.equal(await value(reader.pool, "select current_setting('statement_timeout')"), "1min");
  assert.equal(await value(reader.pool, "select current_setting('lock_timeout')"), "2s");
  await assert.rejects(
    rolledBack(reader.pool, async (db) => {
      await db.query("set local statement_timeout = '20ms'; select pg_sleep(30)");
    }),
    { code: "57014" },
  );
});

test("a user who is no superuser is told which privileges are missing, and a script does the rest", async () => {
  await using empty = await openDatabase({ empty: true });
  await using owners = await openLogins(empty.url);
  const owner = await owners.login();
  const name = new URL(empty.url).pathname.slice(1);
  await empty.pool.query(`alter database ${name} owner to ${owner.name}`);
  const asked = await runCcx(["migrate", "--with-roles"], { DATABASE_URL: owner.url });
  assert.equal(asked.code, 1);
  assert.match(asked.stderr, /lacks privileges for \d+ statements of the roles/);
  assert.match(asked.stderr, /ADMIN OPTION on the role ccx_owner .*for example for: grant ccx_owner to/);
  assert.match(asked.stderr, /CREATEROLE, with ADMIN OPTION on the role .*alter role ccx_\w+ in database/);
  assert.match(asked.stderr, /ownership of .*SET on the role ccx_owner/);
  assert.ok(!asked.stderr.includes("    at "), asked.stderr);
  // the tables are there, and the service works as their owner
  assert.equal(await value(owner.pool, "select count(*)::integer from issue"), 0);

  // a superuser runs the script by hand
  for (let round = 0; round < 3; round++) {
    const { stdout } = await runCcx(["roles", "script"], { DATABASE_URL: empty.url });
    if (stdout !== "") await empty.pool.query(stdout);
  }
  const left = (await changesOf(empty.pool)).filter(
    ({ statement }) => !/^alter role ccx_login_/.test(String(statement)),
  );
  assert.deepEqual(left, []);
  assert.deepEqual(
    await rows(
      empty.pool,
      `select c.oid::regclass from pg_class c where c.relnamespace in ('public'::regnamespace, 'ccx'::regnamespace)
         and c.relkind in ('r', 'p', 'v') and c.relowner <> 'ccx_owner'::regrole`,
    ),
    [],
    "ccx_owner has everything",
  );

  // whoever may administer the roles makes them without being a superuser
  await using second = await openDatabase({ empty: true });
  await using admins = await openLogins(second.url);
  const admin = await admins.login();
  const roles =
    "ccx_owner, ccx_ingest, ccx_decide, ccx_deliver, ccx_operator, ccx_reader, ccx_metrics, ccx_results, ccx_console";
  await empty.pool.query(`alter role ${admin.name} createrole; grant ${roles} to ${admin.name} with admin option, inherit false, set true;
    alter database ${new URL(second.url).pathname.slice(1)} owner to ${admin.name}`);
  const url = new URL(second.url);
  url.username = admin.name;
  const { code, stderr } = await runCcx(["migrate", "--with-roles"], { DATABASE_URL: url.href });
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  const leftOver = (await changesOf(second.pool)).filter(
    ({ statement }) => !/^alter role ccx_login_/.test(String(statement)),
  );
  assert.deepEqual(leftOver, []);
});
