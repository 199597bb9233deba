import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { adopt, undo } from "../../src/adopt/adopt.ts";
import { dropTables } from "../../src/adopt/operations.ts";
import { defaults, planOf } from "../../src/adopt/plan.ts";
import { obstacles } from "../../src/db/adoption/survey.ts";
import { createPool } from "../../src/db/pool.ts";
import { createLogger } from "../../src/log.ts";
import { theirSchema } from "../support/adoptions.ts";
import { openDatabase, rolledBack, type TestDatabase } from "../support/database.ts";
import { versionEight } from "../support/incumbent.ts";
import { openLogins } from "../support/role_logins.ts";
import { until } from "../support/until.ts";

const log = createLogger("silent");
let database: TestDatabase & AsyncDisposable;
before(async () => {
  database = await openDatabase({ empty: true });
  await database.pool.query(versionEight);
});
after(() => database[Symbol.asyncDispose]());

/** What a check says of their database after these statements, which are taken back. */
const said = (sql: string, options = defaults) =>
  rolledBack(database.pool, async (client) => {
    await client.query(sql);
    return planOf(client as never, options);
  });

test("a check says what is in the way of taking a database over", async () => {
  assert.deepEqual((await said("select")).problems, []);
  for (const [sql, problem] of [
    [
      "drop table states cascade",
      "There is no table states: bring the database to version 8 with their writer first.",
    ],
    [
      "alter table states drop comment, add mine text",
      "Table states is not that of version 8: it lacks comment character varying, also has mine text.",
    ],
    [
      "alter table reported alter error_log type text",
      "Table reported is not that of version 8: it lacks error_log character varying, also has error_log text.",
    ],
    ["alter table states owner to pg_monitor; grant pg_monitor to current_user", undefined],
    [
      "update migration_info set version = 7",
      "The schema is of version 7: bring it to version 8 with their writer first.",
    ],
    ["insert into migration_info values (8)", "migration_info has 2 rows instead of one: correct it."],
    ["delete from migration_info", "migration_info has 0 rows instead of one: correct it."],
    ["create table issue ()", "There is a table or view issue that ours would replace: rename it."],
    [
      "create view notification as select 1",
      "There is a table or view notification that ours would replace: rename it.",
    ],
    ...["ccx", "aggregator", "incumbent", "ccx_staging", "ccx_leaving"].map((schema) => [
      `create schema ${schema}`,
      `There is a schema ${schema} that an adoption would make: rename it.`,
    ]),
  ] as [string, string | undefined][])
    assert.deepEqual((await said(sql)).problems, problem === undefined ? [] : [problem], sql);
});

test("a check says which rights are missing, to whoever is not the owner", async () => {
  await using logins = await openLogins(database.url);
  const { pool } = await logins.login();
  await database.pool.query("grant select on all tables in schema public to public");
  const problems = await obstacles(pool);
  for (const problem of [
    "Table new_reports belongs to somebody else: connect as its owner.",
    "This user may not create schemas in the database: grant create on it.",
    "This user may not create tables in the schema public: grant create on it.",
  ])
    assert.ok(problems.includes(problem), problems.join("\n"));
});

test("a check says what will stay with the old tables", async () => {
  assert.deepEqual((await said("select")).remarks, []);
  const { problems, remarks } = await said(`
    create schema others;
    create view others.seen as select cluster from new_reports;
    create function others.nothing() returns trigger language plpgsql as $$ begin return null; end $$;
    create trigger mine after insert on reported for each row execute function others.nothing();
    create table others.names (state integer constraint names_state references states);
    create publication theirs for table new_reports;
    insert into new_reports values
      (1, 1, '00000000-0000-4000-8000-000000000001', 'no json', '2026-01-01', 1),
      (1, 1, '00000000-0000-4000-8000-000000000002', '{}', '2990-01-01', 2)`);
  assert.deepEqual(problems, []);
  assert.deepEqual(remarks, [
    "The foreign key names_state of others.names stays on the old table.",
    "The publication theirs goes on to publish the old table new_reports.",
    "The trigger mine of reported stays on the old table.",
    "The view others.seen reads new_reports and goes on to read the old table: create it again.",
    "1 clusters have no report that can be read: they stay in the old table.",
    "1 reports are of a time that is still to come: they stay in the old table.",
  ]);
});

test("a check counts what will be copied, or takes the server's word where there is too much to count", async () => {
  const empty = await said("select");
  const reported = (nth: number, state: number, at: string) =>
    `(1, 1, '00000000-0000-4000-8000-00000000000${nth}', 1, ${state}, '{"reports":[]}', now(), ${at}, '', 1)`;
  const { carried, tables, room } = await said(`
    insert into new_reports values
      (1, 1, '00000000-0000-4000-8000-000000000001', '{}', '-infinity', 1),
      (1, 1, '00000000-0000-4000-8000-000000000002', '{"reports":[]}', now() at time zone 'UTC', 2),
      (1, 1, '00000000-0000-4000-8000-000000000002', 'an older one', '2026-01-01', 3);
    insert into reported values
      ${reported(1, 1, "now() at time zone 'UTC' - interval '7 days'")},
      ${reported(2, 1, "now() at time zone 'UTC' - interval '9 days'")},
      ${reported(3, 1, "now() at time zone 'UTC' + interval '1 day'")},
      ${reported(4, 2, "now() at time zone 'UTC' - interval '1 day'")};
    update pg_class set reltuples = 5000001 where oid = 'states'::regclass;
    update pg_class set reltuples = 5000000 where oid = 'event_targets'::regclass`);
  assert.deepEqual(carried, { clusters: 1, reports: 1, sent: 1, bytes: 28, unreadable: 0, future: 0 });
  assert.deepEqual(
    tables.map(({ table, rows, estimated }) => [table, rows, estimated]),
    [
      ...[
        ["new_reports", 3, false],
        ["reported", 4, false],
        ["read_errors", 0, false],
      ],
      ...[
        ["states", 5_000_001, true],
        ["notification_types", 2, false],
        ["event_targets", 2, false],
      ],
      ["migration_info", 1, false],
    ],
  );
  assert.ok(room > empty.room + carried.bytes, `${room} after ${empty.room}`);
});

test("options that the server does not know are refused before anything is looked at", async () => {
  for (const [options, sentence] of [
    [{ timeZone: "Mars/Base" }, "PostgreSQL knows no time zone Mars/Base."],
    [{ memory: "soon" }, 'A cooldown has to be a time such as "8 days", not soon.'],
    [{ memory: "0 days" }, 'A cooldown has to be a time such as "8 days", not 0 days.'],
    [{ memory: "-1 day" }, 'A cooldown has to be a time such as "8 days", not -1 day.'],
    [{ memory: "100 years" }, 'A cooldown has to be a time such as "8 days", not 100 years.'],
  ] as const)
    await assert.rejects(planOf(database.pool, { ...defaults, ...options }), { message: sentence });
});

test("two adoptions do not meet, and one that somebody keeps from a table names him and goes on later", async () => {
  const work = { databaseUrl: database.url, log };
  const schema = await theirSchema(database.pool);
  let nested: unknown;
  const holder = await database.pool.connect();
  try {
    await holder.query("begin; select from public.new_reports; prepare transaction 'left behind'");
    await holder.query("begin; set local application_name = 'a dump'; select from public.new_reports");
    const first = adopt(
      {
        ...work,
        patience: 0,
        reached: async (step) => {
          if (step === "begin") nested = await adopt(work, defaults).catch((error) => error);
        },
      },
      defaults,
    );
    await assert.rejects(
      first,
      /does not let go of them[\s\S]*process \d+ of a dump \(\w+\), whose transaction began[\s\S]*the prepared transaction 'left behind' of/,
    );
    assert.match(String(nested), /Another `ccx adopt` is at work on this database: wait for its end/);
  } finally {
    await holder.query("rollback");
    await holder.query("rollback prepared 'left behind'");
    holder.release();
  }
  // from the middle there is a way back as well as one forward
  assert.deepEqual(await undo(work), { reports: 0, reported: 0, readErrors: 0, leftOut: 0 });
  assert.deepEqual(await theirSchema(database.pool), schema);
  await adopt(work, defaults);
  await database.pool.query(
    `insert into worker (pool_id, host, pid, roles, version, started_at, unbroken_since, seen_at)
     values ('one that lives', 'h', 1, '{}', 'x', now(), now(), now())`,
  );
  await assert.rejects(undo(work), /^ConfigurationError: 1 of our processes still work on this database/);
  await database.pool.query("update worker set seen_at = now() - interval '61 seconds'");
  for (const name of ["ccx consume", "ccx analyze+work", "ccx-notification-service"]) {
    const pool = createPool({ databaseUrl: database.url, size: 2, keep: 1, name, log });
    pool.options.idleTimeoutMillis = 1;
    await Promise.all([pool.query("select"), pool.query("select")]);
    await until("what is not needed is closed", () => pool.totalCount < 2);
    await assert.rejects(undo(work), { message: `${name} is connected to this database: stop it first.` });
    await pool.end();
  }
  await undo(work);
  assert.deepEqual(await theirSchema(database.pool), schema);
});

test("a way back names what of others would go with ours, and drops nothing of it", async () => {
  const { pool, url } = database;
  const work = { databaseUrl: url, log };
  await pool.query("create schema others; create view others.kept as select cluster from reported");
  const before = await theirSchema(pool);
  await adopt(work, defaults);
  const day = new Date().toISOString().slice(0, 10).replaceAll("-", "");
  await pool.query(`
    create schema mine;
    create materialized view mine.a as select cluster from public.reported;
    create view mine.b as select name from ccx.code_object;
    create view mine.c as select state from incumbent.all_reported;
    create view mine.d as select why from public.compare_notifications('2026-01-01');
    create view mine.e as select topic from public.doctor;
    create view mine.f as select cluster from public.new_reports_${day};
    create table mine.g (
      id bigint constraint g_id references notification, by text default ccx.person(), was policy[], of integer,
      constraint g_of exclude using gist (of extensions.gist_int4_ops with =));
    create trigger g_guard before delete on mine.g for each row execute function ccx.tg_guard();
    create view incumbent.h as select 1 as one;
    create function incumbent.i() returns integer language sql return 1;
    create extension hstore schema extensions`);
  const sentences = [
    "The default value for mine.g.by needs the function ccx.person().",
    "The extension hstore is in the schema extensions.",
    "The function incumbent.i() is in the schema incumbent.",
    "The index mine.g_of needs the operator class extensions.gist_int4_ops USING gist.",
    "The materialized view mine.a needs the table public.reported.",
    "The table column mine.g.was needs the type public.policy[].",
    "The table constraint g_id on mine.g needs the table public.notification.",
    "The trigger g_guard on mine.g needs the function ccx.tg_guard().",
    "The view incumbent.h is in the schema incumbent.",
    "The view mine.b needs the table ccx.code_object.",
    "The view mine.c needs the view incumbent.all_reported.",
    "The view mine.d needs the function public.compare_notifications(" +
      "timestamp with time zone,timestamp with time zone).",
    "The view mine.e needs the view public.doctor.",
    `The view mine.f needs the table public.new_reports_${day}.`,
  ];
  const message = (needing: string[]) =>
    ["Something of yours needs what would be dropped.", ...needing].join("\n");
  await assert.rejects(undo(work), { message: message(sentences) });
  assert.deepEqual(
    (await planOf(pool, defaults)).remarks,
    sentences.map((sentence) => `In the way of --undo: ${sentence}`),
  );
  await assert.rejects(dropTables(pool), /^ConfigurationError: Something of yours[\s\S]*mine\.a needs/);
  await pool.query(
    `drop view incumbent.h; drop function incumbent.i; drop schema mine cascade; drop extension hstore`,
  );

  // somebody is faster
  const reached = async (step: string) => {
    if (step === "drop")
      await pool.query("create view others.late as select cluster from ccx_leaving.reported");
  };
  await assert.rejects(undo({ ...work, reached }), {
    message: message(["The view others.late needs the table ccx_leaving.reported."]),
  });
  await pool.query("drop view others.late");
  await undo(work);
  assert.deepEqual(await theirSchema(pool), before);
});
